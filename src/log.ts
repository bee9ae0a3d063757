/**
 * Logging: one JSON object per line on stdout (readable text when stdout is a terminal).
 *
 * Conventions: `event` is a stable dotted name that scripts may look for (`ready`, `connection.state`); the message is
 * for people; errors go under `err`. Lines are written synchronously, so that last words before `process.exit` arrive.
 *
 * Secrets are taken out of the finished line, wherever they came from (bindings, messages, stacks, URLs, a platform's
 * answer quoted in an error): by the name of their key at any depth, by their form (bearer tokens, passwords in URLs), and
 * by value for all that were registered with {@link registerSecret}.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** @defaultValue `'info'` */
  readonly level?: LogLevel;
  /** Which program or role speaks, e.g. `holdfast` or `worker`. */
  readonly name: string;
  /** Text for people instead of JSON. @defaultValue true when stdout is a terminal */
  readonly pretty?: boolean;
  /** Where finished lines go. @defaultValue stdout, written synchronously */
  readonly destination?: DestinationStream;
  /** Gets each finished line as JSON, secrets taken out, too; must not throw. @defaultValue nobody */
  readonly alsoTo?: DestinationStream;
}

export function createLogger(options: LoggerOptions): Logger {
  const sink = options.destination ?? destination({ dest: 1, sync: true });
  const pretty = options.pretty ?? (options.destination === undefined && process.stdout.isTTY === true);
  return pino(
    {
      level: options.level ?? 'info',
      base: { name: options.name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: redact },
    },
    both(pretty ? prettyLines(sink) : sink, options.alsoTo),
  );
}

function both(one: DestinationStream, other: DestinationStream | undefined): DestinationStream {
  if (other === undefined) return one;
  return {
    write(line) {
      one.write(line);
      other.write(line);
    },
  };
}

function prettyLines(sink: DestinationStream): DestinationStream {
  const format = prettyFactory({ colorize: process.stdout.isTTY === true, ignore: 'pid,name' });
  return { write: (line) => void sink.write(format(line)) };
}

/** Deep enough for agent → http → undici → socket, and an end for causes that form a circle. */
const MAX_CAUSES = 6;
/** What helps in diagnosis. Other properties may hold requests, responses or secrets, and are left out. */
const ERROR_DETAILS = ['code', 'syscall', 'address', 'port', 'statusCode', 'disposition', 'retryAfterMs'] as const;

/** Type, message, stack, the telling details, and the same for each cause. Anything thrown that is no Error is kept as text. */
export function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' ? error : String(error);
  const details = Object.fromEntries(
    ERROR_DETAILS.flatMap((key) => {
      const value: unknown = (error as Error & Record<string, unknown>)[key];
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const serialized: Record<string, unknown> = {
    type: error.name,
    message: error.message,
    ...details,
    stack: error.stack,
  };
  if (depth < MAX_CAUSES) {
    if (error.cause !== undefined) serialized.cause = serializeError(error.cause, depth + 1);
    if (error instanceof AggregateError) {
      serialized.errors = error.errors.map((each) => serializeError(each, depth + 1));
    }
  }
  return serialized;
}

const REDACTED = '[redacted]';
/** Shorter strings would also be found in innocent words. */
export const MIN_SECRET_LENGTH = 6;

const KEYS = [
  '(?:client|app|bot)?[-_]?secret',
  '(?:access|refresh|bot|admin)?[-_]?token',
  'x?-?api[-_]?key',
  '(?:proxy-)?authorization',
  'pass(?:word|wd)',
  '(?:set-)?cookie',
].join('|');

/** Each takes a secret out of a line of JSON; what is captured first stays. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [new RegExp(`("(?:${KEYS})":)\\s*(?:"(?:[^"\\\\]|\\\\.)*"|-?\\d[\\d.eE+-]*)`, 'gi'), `$1"${REDACTED}"`],
  // The same inside a string: a request body or a platform's answer quoted in a message. Its quotes are `\"` here, and
  // the value ends at the first one that no escaped backslash precedes.
  [
    new RegExp(
      `(\\\\"(?:${KEYS})\\\\"\\s*:\\s*)(?:\\\\"(?:[^"\\\\]|\\\\\\\\(?:\\\\.|[^"\\\\])|\\\\[^"\\\\])*\\\\"|-?\\d+)`,
      'gi',
    ),
    `$1\\"${REDACTED}\\"`,
  ],
  [new RegExp(`([?&](?:${KEYS}|key)=)[^&\\s"'\\\\]+`, 'gi'), `$1${REDACTED}`],
  // With brackets: a part of the token may be registered, and was taken out by its value before.
  [/(\b(?:QQBot|Bearer) )[\w.~+/=[\]-]{6,}/g, `$1${REDACTED}`],
  [/(\bBot \d+\.)[\w[\]-]{6,}/g, `$1${REDACTED}`],
  [/(\b[a-z][a-z0-9+.-]*:\/\/)[^\s/@"]*:[^\s/@"]+@/gi, `$1${REDACTED}@`],
];

/**
 * Registered values, found in a text by their first characters: what a line costs must not grow with their number, of
 * which a process with hundreds of connections has two for each.
 */
class KnownSecrets {
  /** Spelling → how often it was registered: two connections may share a secret. */
  readonly #counts = new Map<string, number>();
  /** Spellings by their first {@link MIN_SECRET_LENGTH} characters, which thousands of tokens may have in common. */
  readonly #byStart = new Map<string, Set<string>>();

  add(value: string): void {
    for (const spelling of spellingsOf(value)) {
      const count = this.#counts.get(spelling) ?? 0;
      this.#counts.set(spelling, count + 1);
      if (count > 0) continue;
      const start = spelling.slice(0, MIN_SECRET_LENGTH);
      const alike = this.#byStart.get(start);
      if (alike === undefined) this.#byStart.set(start, new Set([spelling]));
      else alike.add(spelling);
    }
  }

  remove(value: string): void {
    for (const spelling of spellingsOf(value)) {
      const count = this.#counts.get(spelling) ?? 0;
      if (count > 1) {
        this.#counts.set(spelling, count - 1);
        continue;
      }
      this.#counts.delete(spelling);
      const start = spelling.slice(0, MIN_SECRET_LENGTH);
      const alike = this.#byStart.get(start);
      alike?.delete(spelling);
      if (alike?.size === 0) this.#byStart.delete(start);
    }
  }

  redact(text: string): string {
    if (this.#byStart.size === 0) return text;
    let clean = '';
    let from = 0;
    for (let at = 0; at + MIN_SECRET_LENGTH <= text.length; ) {
      // The longest: a secret that another one begins with goes with it.
      let length = 0;
      for (const spelling of this.#byStart.get(text.slice(at, at + MIN_SECRET_LENGTH)) ?? []) {
        if (spelling.length > length && text.startsWith(spelling, at)) length = spelling.length;
      }
      if (length === 0) {
        at += 1;
        continue;
      }
      clean += text.slice(from, at) + REDACTED;
      at += length;
      from = at;
    }
    return from === 0 ? text : clean + text.slice(from);
  }
}

const registered = new KnownSecrets();

function spellingsOf(secret: string): ReadonlySet<string> {
  return new Set([secret, JSON.stringify(secret).slice(1, -1), encodeURIComponent(secret)]);
}

/**
 * From now on `value` appears in no line of any logger of this process, not even JSON- or URL-encoded. Values shorter than
 * {@link MIN_SECRET_LENGTH} are left alone.
 *
 * @returns forgets the value again: for access tokens, which come anew every few hours. Safe to call twice.
 */
export function registerSecret(value: string): () => void {
  if (value.length < MIN_SECRET_LENGTH) return () => {};
  registered.add(value);
  let held = true;
  return () => {
    if (held) registered.remove(value);
    held = false;
  };
}

/** `text` without secrets, also for what is shown to people elsewhere (a CLI error, a status reason). */
export function redact(text: string): string {
  let clean = registered.redact(text);
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return clean;
}
