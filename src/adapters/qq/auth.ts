/**
 * The access token of one bot. The platform returns the same token until its last 60 s and a new one then, both being
 * valid; so there is nothing to refresh earlier, and any number of hosts may ask.
 *
 * There is no refresh timer: a token is looked at when it is needed. A timer computed from `expires_in` is how others
 * went deaf (zhinjs/qq-official-bot #98: 0 or NaN at the 60 s border, and it never fired again).
 *
 * @see wiki bot.q.qq.com, develop/api-v2 access-token, read 2026-11-22
 */
import { withDeadline } from '../../async/abort.ts';
import type { Clock } from '../../async/clock.ts';
import { explain, FatalError, type GatewayError, TransientError } from '../../errors.ts';
import type { HttpAnswer, HttpClient } from '../../http/client.ts';
import type { Logger } from '../../log.ts';
import { registerSecret } from '../../text/known-secrets.ts';

export interface TokenProvider {
  /**
   * A token that is valid now. Waits at most {@link TOKEN_DEADLINE_MS}; calls at the same time share one request.
   *
   * @throws FatalError when the platform refuses the credentials
   * @throws TransientError for everything that may pass
   */
  get(options: { signal: AbortSignal }): Promise<string>;
  /** The platform refused this token: the next {@link get} fetches. Without effect when a newer one is known. */
  invalidate(token: string): void;
}

export interface TokenProviderOptions {
  readonly http: HttpClient;
  readonly tokenUrl: string;
  readonly appId: string;
  readonly clientSecret: string;
  readonly clock: Clock;
  readonly log: Logger;
  /** In [0, 1). @defaultValue Math.random */
  readonly random?: () => number;
  /** Shared by all providers of one bot in this process. @defaultValue one of its own */
  readonly cache?: TokenCache;
}

/** What is known of one bot's tokens. They belong to the bot, whichever way they were fetched. */
export interface TokenCache {
  held: Held | null;
  previous: Held | null;
}

export function newTokenCache(): TokenCache {
  return { held: null, previous: null };
}

/** Bound of one fetch, ms (as botgo). */
export const TOKEN_DEADLINE_MS = 10_000;
/** Rest of life at which a new token is asked for, ms: inside the 60 s in which there is one, and not on the edge. */
const RENEW_AT_MS = 45_000;
const RENEW_JITTER_MS = 10_000;
/** Below this rest of life a token is waited for rather than used, ms. */
const LAST_CALL_MS = 5_000;
/** A token whose `expires_in` cannot be believed is used this long, ms. */
const DOUBTFUL_LIFE_MS = 30_000;
/** The platform's own bound on a token's life, ms. */
const LONGEST_LIFE_MS = 7_200_000;
/** Least time between two asks for a new token while the old one still works, ms. */
const ASK_AGAIN_MS = 3_000;

interface Held {
  readonly token: string;
  readonly until: { readonly monotonic: number; readonly wall: number };
  readonly renewAtMs: number;
  readonly fetchedAt: number;
  readonly forget: () => void;
}

export function createTokenProvider(options: TokenProviderOptions): TokenProvider {
  const { clock, log, random = Math.random, cache = newTokenCache() } = options;
  // Not in the cache: who waits for a request must wait for one by its own route.
  let flight: Promise<string> | null = null;

  const keep = (token: string, lifeMs: number): void => {
    const { held } = cache;
    if (held?.token !== token) {
      // The one before may stand in a request that is still out.
      cache.previous?.forget();
      cache.previous = held;
    }
    cache.held = {
      token,
      until: { monotonic: clock.monotonic() + lifeMs, wall: clock.now() + lifeMs },
      renewAtMs: RENEW_AT_MS + (random() - 0.5) * RENEW_JITTER_MS,
      fetchedAt: clock.monotonic(),
      forget: held?.token === token ? held.forget : registerSecret(token),
    };
  };
  const fetchOnce = (): Promise<string> => {
    flight ??= fetchToken(options)
      .then(({ token, lifeMs }) => {
        keep(token, lifeMs);
        return token;
      })
      .finally(() => {
        flight = null;
      });
    return flight;
  };

  return {
    async get({ signal }) {
      signal.throwIfAborted();
      const { held } = cache;
      const restMs = held === null ? 0 : restOf(held, clock);
      if (held === null || restMs <= LAST_CALL_MS) {
        return withDeadline('access token', TOKEN_DEADLINE_MS + 1_000, signal, fetchOnce);
      }
      const { token, renewAtMs, fetchedAt } = held;
      if (restMs <= renewAtMs && clock.monotonic() - fetchedAt >= ASK_AGAIN_MS) {
        // Both tokens work now: nobody has to wait for the new one.
        fetchOnce().catch((error) =>
          log.warn({ event: 'token-renewal', reason: explain(error) }, 'no new access token yet'),
        );
      }
      return token;
    },
    invalidate(token) {
      if (cache.held?.token === token) cache.held = null;
    },
  };
}

/** The smaller of both clocks' opinions: one stops while the machine sleeps, the other may jump. */
function restOf(held: Held, clock: Clock): number {
  return Math.min(held.until.monotonic - clock.monotonic(), held.until.wall - clock.now());
}

async function fetchToken(options: TokenProviderOptions): Promise<{ token: string; lifeMs: number }> {
  const { http, tokenUrl, appId, clientSecret, log } = options;
  const answer = await http.request(
    {
      what: 'access token',
      method: 'POST',
      url: tokenUrl,
      // Both as JSON strings: anything else is answered with a misleading error (botpy #197, zhinjs #88).
      json: { appId, clientSecret },
      deadlineMs: TOKEN_DEADLINE_MS,
    },
    // Shared by all callers, so no caller's signal cuts it; its deadline does.
    { signal: new AbortController().signal },
  );
  const { access_token: token, expires_in: expiresIn } = (answer.json ?? {}) as Record<string, unknown>;
  if (typeof token !== 'string' || token === '') throw refusal(answer);
  const lifeMs = readLife(expiresIn);
  if (lifeMs === null) log.warn({ event: 'token-life', expiresIn }, 'the access token came with an odd expires_in');
  return { token, lifeMs: lifeMs ?? DOUBTFUL_LIFE_MS };
}

/** The documents call `expires_in` a number and show a string. @returns ms; `null` when it cannot be believed */
export function readLife(expiresIn: unknown): number | null {
  const text = typeof expiresIn === 'string' ? expiresIn.trim() : '';
  const seconds = typeof expiresIn === 'number' ? expiresIn : /^\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isFinite(seconds) || seconds <= 0) return null;
  return Math.min(seconds * 1000, LONGEST_LIFE_MS);
}

/** Failures come with HTTP 200, so the code decides before the status. */
function refusal(answer: HttpAnswer): GatewayError {
  const { code } = (answer.json ?? {}) as { code?: unknown };
  switch (code) {
    case 100007:
    case 100016:
    case 10004:
      return new FatalError(
        'CREDENTIAL_REFUSED',
        `the platform refuses appId or clientSecret (${code}): check both in the QQ bot console`,
      );
    case 100001:
      return new TransientError('RATE_LIMITED', 'access token: too many requests (100001)', { retryAfterMs: 60_000 });
    default:
      break;
  }
  const said =
    typeof code === 'number' ? `code ${code}` : answer.text === '' ? 'an empty body' : 'no token in the body';
  return new TransientError('HTTP_STATUS', `access token: HTTP ${answer.status} with ${said}`, {
    ...(answer.retryAfterMs === null ? {} : { retryAfterMs: answer.retryAfterMs }),
  });
}
