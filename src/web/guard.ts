/**
 * Who may come in: who shows the admin token as a bearer, or has a session that was begun with it. Where the configuration
 * says that there is none, everybody on this machine may read, and nobody change anything.
 *
 * A page of the internet must not come through a browser of this machine: neither by a name that it makes point here (DNS
 * rebinding; the Host header tells) nor by a request of its own (the browser says from where).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { callerOf } from './callers.ts';
import { HttpProblem, sendProblem } from './problem.ts';
import type { Sessions } from './session.ts';

export interface Access {
  /** `null`: there is none, and nothing can be changed. */
  readonly token: string | null;
  /** Only this machine can get here, so what asks for it under another name is a page of the internet. */
  readonly localNamesOnly: boolean;
}

/** Wrong tokens from one caller before it has to wait. */
const FAILURES = 10;
const FAILURES_WINDOW_SECONDS = 60;

export interface TokenCheck {
  /**
   * The right one always comes in: whoever sends wrong ones, perhaps by the same proxy, must not keep its owner out.
   *
   * @returns whether it is the token; takes the same time for any wrong one
   * @throws HttpProblem 429 for the eleventh wrong one of a caller within a minute, and all that follow
   */
  matches(given: string, address: string): Promise<boolean>;
  /** Counts something else that was wrong, such as a login code. @throws HttpProblem 429 like {@link matches} */
  failed(address: string): Promise<void>;
}

export function createTokenCheck(adminToken: string): TokenCheck {
  const failures = new RateLimiterMemory({ points: FAILURES, duration: FAILURES_WINDOW_SECONDS });
  const expected = digest(adminToken);
  const failed = async (address: string): Promise<void> => {
    const { consumedPoints, msBeforeNext } = await failures.penalty(callerOf(address));
    if (consumedPoints <= FAILURES) return;
    const seconds = String(Math.max(1, Math.ceil(msBeforeNext / 1_000)));
    throw new HttpProblem(429, `too many wrong tokens from this address: wait ${seconds} s`, {
      'retry-after': seconds,
    });
  };
  return {
    failed,
    async matches(given, address) {
      if (timingSafeEqual(digest(given), expected)) return true;
      await failed(address);
      return false;
    },
  };
}

/** Equal lengths, as `timingSafeEqual` needs them. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** What is asked for the door; `null`: there is no token. */
export interface Door {
  readonly check: TokenCheck;
  readonly sessions: Sessions;
}

/** An `onRequest` hook. */
export function createGuard(door: Door | null, { localNamesOnly }: Access) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    try {
      if (localNamesOnly) refuseForeignNames(request);
      if (door === null) refuseChanges(request);
      else if (!(await isKnown(door, request))) return askForToken(request, reply);
      refuseOtherSites(request);
      return undefined;
    } catch (error) {
      if (error instanceof HttpProblem) return sendProblem(reply, error);
      throw error;
    }
  };
}

async function isKnown({ check, sessions }: Door, request: FastifyRequest): Promise<boolean> {
  const [, bearer] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (bearer === undefined) return (await sessions.of(request)) !== null;
  if (await check.matches(bearer, request.ip)) return true;
  request.log.warn({ event: 'web.refused', address: request.ip }, 'a wrong admin token');
  return false;
}

function askForToken(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
  if (isPage && request.headers.authorization === undefined) {
    return reply.redirect(`/login?next=${encodeURIComponent(request.url)}`, 303);
  }
  throw new HttpProblem(
    401,
    'needs the admin token: "Authorization: Bearer …", or log in at /login ("holdfast login" prints a link)',
    { 'www-authenticate': 'Bearer realm="holdfast"' },
  );
}

function refuseForeignNames({ headers: { host } }: FastifyRequest): void {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host ?? '') ?? [];
  if (/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(name)) return;
  throw new HttpProblem(
    403,
    'is asked for under a foreign name: without http.adminToken in the configuration only localhost, 127.0.0.1 and [::1] are answered',
  );
}

/** Without a token anybody on the machine could be asking. */
function refuseChanges({ method }: FastifyRequest): void {
  if (SAFE_METHODS.has(method)) return;
  throw new HttpProblem(
    403,
    'nothing can be changed over HTTP while http.adminToken is "none": set http.adminToken, or remove it and a token is made; the commands ("holdfast connections", "holdfast messages") work all the same',
  );
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Against requests that another site makes the browser send (CSRF). Browsers name the origin of everything but plain
 * reading; what names none comes from no browser.
 *
 * @see https://cheatsheetseries.owasp.org/cheatsheets/Cross-Site_Request_Forgery_Prevention_Cheat_Sheet.html (Fetch
 *   Metadata headers, with Origin for browsers or plain http where those are not sent), read 2026-11-22
 */
export function refuseOtherSites({ method, headers }: FastifyRequest): void {
  if (SAFE_METHODS.has(method)) return;
  const { origin, host } = headers;
  const site = headers['sec-fetch-site'];
  if (site === 'same-origin' || site === 'none') return;
  if (site === undefined && (origin === undefined || hostOf(origin) === host)) return;
  throw new HttpProblem(403, 'comes from another site, which may not change anything here');
}

function hostOf(origin: string): string | null {
  return URL.canParse(origin) ? new URL(origin).host : null;
}
