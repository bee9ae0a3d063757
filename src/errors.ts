/**
 * Every error that crosses a file boundary. The lowest layer that knows decides the class; above it nobody looks at
 * codes, only at `disposition`. The codes are documented in docs/errors.md.
 */

import { bounded } from './text/bounded.ts';
import { foreignText, REASON_CHARS } from './text/foreign-text.ts';

export type ErrorCode =
  | 'ABORTED_CALL'
  | 'ADDRESS_REFUSED'
  | 'AGENT_FAILED'
  | 'AGENT_REFUSED'
  | 'BUG'
  | 'CONFIG_INVALID'
  | 'CREDENTIAL_MISSING'
  | 'CREDENTIAL_REFUSED'
  | 'DEADLINE'
  | 'FENCED'
  | 'FILES_UNFIT'
  | 'HOST_UNFIT'
  | 'HTTP_STATUS'
  | 'HTTP_BODY'
  | 'HTTP_REDIRECT'
  | 'LISTEN_FAILED'
  | 'PLATFORM_REFUSED'
  | 'RATE_LIMITED'
  | 'REDIS_REFUSED'
  | 'REDIS_UNAVAILABLE'
  | 'REDIS_UNFIT'
  | 'TRANSPORT';

export interface GatewayErrorOptions {
  readonly cause?: unknown;
  /** The HTTP status that the other side answered with. */
  readonly status?: number;
}

/** Longest message of an error, UTF-16 units: room for a list of problems of one's own making. */
const MAX_MESSAGE = 8_192;

/** Longest problem of a configuration; its keys and values are somebody's text, UTF-16 units. */
const MAX_PROBLEM = 1_000;

export abstract class GatewayError extends Error {
  /** `retry`: will likely pass by itself; `give-up`: needs a person; `stand-down`: someone newer acts. */
  abstract readonly disposition: 'retry' | 'give-up' | 'stand-down';
  readonly code: ErrorCode;
  /** The HTTP status that the other side answered with; `undefined`: it answered with none, or nobody asks. */
  readonly status: number | undefined;

  /** @param message - may quote others: it is bounded and redacted here */
  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions = {}) {
    super(foreignText(message, MAX_MESSAGE), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.status = options.status;
  }
}

/** Transport trouble, overload, a platform's bad minute: retried behind the backoff gate, without an attempt limit. */
export class TransientError extends GatewayError {
  readonly disposition = 'retry';
  /** The other side's own wish, or the platform's rule; `undefined`: our backoff decides. */
  readonly retryAfterMs: number | undefined;

  constructor(code: ErrorCode, message: string, options: GatewayErrorOptions & { retryAfterMs?: number } = {}) {
    super(code, message, options);
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** Bad credentials, banned, bad configuration: the connection is parked, a person is told, and it is re-probed slowly. */
export class FatalError extends GatewayError {
  readonly disposition = 'give-up';
}

/** A newer fencing token exists, or the lease ran out: stop, close sockets, write nothing more. Normal life. */
export class FencedError extends GatewayError {
  readonly disposition = 'stand-down';

  constructor(message: string, options: GatewayErrorOptions = {}) {
    super('FENCED', message, options);
  }
}

/** One or more problems with the configuration; `problems` has one line each, naming key, problem and fix. */
export class ConfigError extends FatalError {
  readonly problems: readonly string[];

  constructor(problems: readonly string[], options: GatewayErrorOptions = {}) {
    const bounded = problems.map((problem) => foreignText(problem, MAX_PROBLEM));
    super('CONFIG_INVALID', bounded.join('\n'), options);
    this.problems = bounded;
  }
}

/** Abort reason: finish what is held, keep the session resumable, let go. */
export class DrainRequested extends Error {
  override readonly name = 'DrainRequested';
  /** False when the connection should not go on anywhere (paused, removed). */
  readonly again: boolean;
  /** The whole process leaves, not this connection alone. */
  readonly leaving: boolean;

  /** @param options.leaving - @defaultValue false */
  constructor(message: string, options: { readonly again: boolean; readonly leaving?: boolean }) {
    super(message);
    this.again = options.again;
    this.leaving = options.leaving ?? false;
  }
}

/** Abort reason: the process must end now. */
export class ProcessStopping extends Error {
  override readonly name = 'ProcessStopping';
}

/** The text of `error` and of its causes, for reasons that people read: bounded, without secrets, never with a stack. */
export function explain(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 4; depth += 1) {
    const text = foreignText(at instanceof Error ? at.message || at.name : String(at), REASON_CHARS);
    if (text !== '' && !parts.some((part) => part.includes(text))) parts.push(text);
    at = at instanceof Error ? at.cause : undefined;
  }
  return bounded(parts.join(': '), 2 * REASON_CHARS);
}
