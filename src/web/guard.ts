/**
 * Who may come in. With a token: it, as a bearer header or as a session that was begun with it. Without one only this
 * machine gets in, and then a page of the internet must not come through its browser: neither by a name that it makes
 * point here (DNS rebinding; the Host header tells) nor by a request of its own (the browser says from where).
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { RateLimiterMemory } from 'rate-limiter-flexible';
import { HttpProblem, sendProblem } from './problem.ts';
import { hasSession } from './session.ts';

/** Wrong tokens from one address before it has to wait. */
const FAILURES = 10;
const FAILURES_WINDOW_SECONDS = 60;

export interface TokenCheck {
  /**
   * @throws HttpProblem 429 after too many wrong ones from that address, also for the right one: else a guess could still
   *   be confirmed
   * @returns whether it is the token; takes the same time for any wrong one
   */
  matches(given: string, address: string): Promise<boolean>;
}

export function createTokenCheck(adminToken: string): TokenCheck {
  const failures = new RateLimiterMemory({ points: FAILURES, duration: FAILURES_WINDOW_SECONDS });
  const expected = digest(adminToken);
  return {
    async matches(given, address) {
      const sofar = await failures.get(address);
      if (sofar !== null && sofar.consumedPoints >= FAILURES) {
        const seconds = String(Math.max(1, Math.ceil(sofar.msBeforeNext / 1_000)));
        throw new HttpProblem(429, `too many wrong tokens from this address: wait ${seconds} s`, {
          'retry-after': seconds,
        });
      }
      if (timingSafeEqual(digest(given), expected)) return true;
      await failures.penalty(address);
      return false;
    },
  };
}

/** Equal lengths, as `timingSafeEqual` needs them. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** An `onRequest` hook. @param check - `null`: no token is needed, because only this machine gets in */
export function createGuard(check: TokenCheck | null) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> => {
    try {
      if (check === null) refuseForeignNames(request);
      else if (!(await isKnown(check, request))) return askForToken(request, reply);
      refuseOtherSites(request);
      return undefined;
    } catch (error) {
      if (error instanceof HttpProblem) return sendProblem(reply, error);
      throw error;
    }
  };
}

async function isKnown(check: TokenCheck, request: FastifyRequest): Promise<boolean> {
  const [, bearer] = /^bearer +(\S+)$/i.exec(request.headers.authorization ?? '') ?? [];
  if (bearer === undefined) return hasSession(request);
  if (await check.matches(bearer, request.ip)) return true;
  request.log.warn({ event: 'web.refused', address: request.ip }, 'a wrong admin token');
  return false;
}

function askForToken(request: FastifyRequest, reply: FastifyReply): FastifyReply {
  const isPage = request.method === 'GET' && request.headers.accept?.includes('text/html') === true;
  if (isPage && request.headers.authorization === undefined) {
    return reply.redirect(`/login?next=${encodeURIComponent(request.url)}`, 303);
  }
  throw new HttpProblem(401, 'needs the admin token: "Authorization: Bearer …", or log in at /login', {
    'www-authenticate': 'Bearer realm="holdfast"',
  });
}

function refuseForeignNames({ headers: { host } }: FastifyRequest): void {
  const [, name = ''] = /^(\[[^\]]*\]|[^:]*)(?::\d+)?$/.exec(host ?? '') ?? [];
  if (/^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/i.test(name)) return;
  throw new HttpProblem(
    403,
    'is asked for under a foreign name: without http.adminToken only localhost, 127.0.0.1 and [::1] are answered',
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
