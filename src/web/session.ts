/**
 * The session of a browser: a signed cookie with an id and an end. Redis knows the sessions that were begun and not ended,
 * so that logging out ends one everywhere, and a restart of this process none; another token ends them all.
 *
 * Where Redis cannot take a session (it is full, or away), the session is good at this process; where Redis cannot say, one
 * that this process has seen before goes on: in an outage the pages are what people look at.
 */
import { createHmac, randomBytes } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { withDeadline } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { isSessionStored, removeSession, storeSession } from '../state/web-access.ts';
import { askRedis } from './ask-redis.ts';

const COOKIE = 'holdfast_session';
const SESSION_MS = 12 * 3_600_000;
/** A page waits for it, ms. */
const LOOK_MS = 500;
/** Sessions that this process remembers. */
const REMEMBERED = 1_000;

/** The key for signing cookies; tells nothing of the token. */
export function sessionKey(adminToken: string): string {
  return createHmac('sha256', adminToken).update('holdfast: session cookies').digest('hex');
}

export interface SessionsOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly signal: AbortSignal;
}

export class Sessions {
  readonly #options: SessionsOptions;
  /** Seen open by this process, the longest unseen first → whether Redis has it. */
  readonly #seen = new Map<string, { readonly stored: boolean }>();

  readonly #letIn = new WeakMap<FastifyRequest, string>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  async begin(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { client, keys, signal } = this.#options;
    const id = randomBytes(16).toString('base64url');
    let stored = true;
    try {
      await askRedis(signal, () => storeSession(client, keys, id, SESSION_MS));
    } catch (error) {
      stored = false;
      request.log.warn({ event: 'web.session-here', reason: explain(error) }, 'a session is good at this process only');
    }
    this.#remember(id, stored);
    reply.setCookie(COOKIE, `${id}.${Date.now() + SESSION_MS}`, { ...attributes(request), maxAge: SESSION_MS / 1_000 });
  }

  /** @throws TransientError when Redis does not answer: the session goes on then */
  async end(request: FastifyRequest, reply: FastifyReply): Promise<void> {
    const { client, keys, signal } = this.#options;
    const id = idIn(request);
    if (id !== null) {
      // Also one that was not stored, as far as we know: Redis may have done it later.
      await askRedis(signal, () => removeSession(client, keys, id));
      this.#seen.delete(id);
    }
    reply.clearCookie(COOKIE, attributes(request));
  }

  /** @returns the id of the session that this request belongs to; `null`: there is none, or it has ended */
  async of(request: FastifyRequest): Promise<string | null> {
    const id = idIn(request);
    if (id === null || !(await this.isOpen(id))) return null;
    this.#letIn.set(request, id);
    return id;
  }

  /** The session for which the guard let this request in; `null`: for another reason. */
  letIn(request: FastifyRequest): string | null {
    return this.#letIn.get(request) ?? null;
  }

  async isOpen(id: string): Promise<boolean> {
    const { client, keys, signal } = this.#options;
    const seen = this.#seen.get(id);
    let open: boolean;
    try {
      open = await withDeadline('Redis', LOOK_MS, signal, () => isSessionStored(client, keys, id));
    } catch {
      return seen !== undefined;
    }
    if (open) this.#remember(id, true);
    else if (seen?.stored === false) return true;
    else this.#seen.delete(id);
    return open;
  }

  #remember(id: string, stored: boolean): void {
    this.#seen.delete(id);
    this.#seen.set(id, { stored });
    const [oldest] = this.#seen.keys();
    if (this.#seen.size > REMEMBERED && oldest !== undefined) this.#seen.delete(oldest);
  }
}

/** @returns the id in a cookie that we signed and whose end has not come */
function idIn(request: FastifyRequest): string | null {
  const { valid, value } = request.unsignCookie(request.cookies[COOKIE] ?? '');
  if (!valid || value === null) return null;
  const [, id = null, ends = ''] = /^([\w-]{22})\.(\d{1,16})$/.exec(value) ?? [];
  return Number(ends) > Date.now() ? id : null;
}

function attributes(request: FastifyRequest) {
  // A proxy in front may speak TLS for us. Whoever lies about it only spoils a cookie of their own.
  const secure = request.headers['x-forwarded-proto'] === 'https';
  return { signed: true, httpOnly: true, sameSite: 'strict', path: '/', secure } as const;
}
