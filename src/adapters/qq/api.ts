/** The OpenAPI: calls with the access token, the meaning of their answers, and gateway discovery. */
import { z } from 'zod';
import { FatalError, type GatewayError, TransientError } from '../../errors.ts';
import type { HttpClient } from '../../http/client.ts';
import { withoutTrailingSlashes } from '../../text/trailing.ts';
import type { BudgetLimit } from '../adapter.ts';
import { isId } from './address.ts';
import { API_CODES, type ApiClass } from './api-codes.ts';
import type { TokenProvider } from './auth.ts';
import { type GatewayOrigin, whyNotDial } from './gateway-address.ts';

export interface ApiAnswer {
  readonly status: number;
  /** The error code that decides, `null` where the body has none; a known one is preferred. */
  readonly code: number | null;
  /** `null` for a code nobody has written down, or none. */
  readonly class: ApiClass | null;
  /** For logs; the platform changes its texts. */
  readonly message: string;
  readonly json: unknown;
  readonly retryAfterMs: number | null;
  readonly traceId: string | null;
}

export interface Gateway {
  readonly url: string;
  /** Sessions that may be created, for the shared budget. */
  readonly identifyLimits: readonly BudgetLimit[];
  /** How long until there is one left, ms; `null` while some are. */
  readonly exhaustedForMs: number | null;
  /** Sessions per 24 h, as the platform counts them; `null`: it did not say. */
  readonly sessions: { readonly total: number; readonly remaining: number; readonly resetAfterMs: number } | null;
}

export interface QqApi {
  /**
   * Asks where to dial (`GET /gateway/bot`). The call itself is limited to about two in a short time.
   *
   * @throws FatalError when only a person can help; its code is `ADDRESS_REFUSED` when the gateway is not to be dialed
   * @throws TransientError otherwise; its code is `CREDENTIAL_REFUSED` when a fresh token was refused
   */
  gateway(options: { signal: AbortSignal; deadlineMs: number }): Promise<Gateway>;
  /**
   * One call. A refused token is replaced and the call repeated once, inside the deadline of each.
   *
   * @throws HttpFailure when no answer came
   */
  post(
    path: string,
    body: object,
    options: { signal: AbortSignal; deadlineMs: number; what: string },
  ): Promise<ApiAnswer>;
  /**
   * `PUT /interactions/{id}` with code 0.
   *
   * @throws HttpFailure when no answer came; FatalError when it is no id
   */
  acknowledgeInteraction(id: string, options: { signal: AbortSignal; deadlineMs: number }): Promise<ApiAnswer>;
}

/** What `session_start_limit` says when it cannot be read. @see bot-docs, openapi/wss/shard_url_get.md */
export const DEFAULT_IDENTIFY_LIMITS = identifyLimits(1000, 1);

/**
 * @param total - sessions per 24 h, of which a twentieth is kept back for restarts by hand
 * @param maxConcurrency - sessions per 5 s
 */
function identifyLimits(total: number, maxConcurrency: number): readonly BudgetLimit[] {
  return [
    { count: Math.max(1, maxConcurrency), windowMs: 5_000 },
    { count: Math.max(1, Math.floor(total * 0.95)), windowMs: 86_400_000 },
  ];
}

const gatewayAnswer = z.looseObject({
  url: z.url({ protocol: /^wss?$/ }),
  session_start_limit: z
    .looseObject({
      total: z.number().min(1),
      remaining: z.number(),
      reset_after: z.number(),
      max_concurrency: z.number().min(1),
    })
    .optional()
    .catch(undefined),
});

/** After "too frequent", ms, as sliverp/qqbot waits; the window is not documented. */
const DISCOVERY_PAUSE_MS = 60_000;
/** An exhausted identify limit is looked at again after this at the latest, ms. */
const EXHAUSTED_RECHECK_MS = 600_000;

export interface QqApiOptions {
  readonly http: HttpClient;
  readonly tokens: TokenProvider;
  readonly origin: GatewayOrigin;
  readonly appId: string;
}

export function createQqApi({ http, tokens, origin, appId }: QqApiOptions): QqApi {
  const { apiBaseUrl } = origin;
  const base = withoutTrailingSlashes(apiBaseUrl);

  const once = async (call: Call, token: string): Promise<ApiAnswer> => {
    const { method, path, body, what, deadlineMs, signal } = call;
    const request = { method, url: `${base}${path}`, what, deadlineMs, headers: headersFor(token, appId) };
    const answer = await http.request(body === undefined ? request : { ...request, json: body }, { signal });
    const { status, json, retryAfterMs, headers } = answer;
    return { status, json, retryAfterMs, traceId: headers['x-tps-trace-id'] ?? null, ...readError(json) };
  };
  const call = async (call: Call): Promise<ApiAnswer> => {
    const token = await tokens.get(call);
    const answer = await once(call, token);
    if (answer.class !== 'token') return answer;
    tokens.invalidate(token);
    return once(call, await tokens.get(call));
  };

  return {
    post: (path, body, options) => call({ method: 'POST', path, body, ...options }),
    async acknowledgeInteraction(id, options) {
      if (!isId(id)) throw new FatalError('PLATFORM_REFUSED', 'an interaction without a usable id');
      const path = `/interactions/${encodeURIComponent(id)}`;
      return await call({ method: 'PUT', path, body: { code: 0 }, what: 'interaction acknowledgement', ...options });
    },
    async gateway(options) {
      const answer = await call({ method: 'GET', path: '/gateway/bot', what: 'gateway discovery', ...options });
      const read = answer.status === 200 ? gatewayAnswer.safeParse(answer.json) : null;
      if (read?.success !== true) throw discoveryFailure(answer);
      const { url, session_start_limit: limit } = read.data;
      const refused = whyNotDial(url, origin);
      if (refused !== null) {
        throw new FatalError('ADDRESS_REFUSED', `gateway discovery named an address that is not dialed: ${refused}`);
      }
      return {
        url,
        identifyLimits: limit ? identifyLimits(limit.total, limit.max_concurrency) : DEFAULT_IDENTIFY_LIMITS,
        exhaustedForMs: limit && limit.remaining <= 0 ? Math.min(limit.reset_after, EXHAUSTED_RECHECK_MS) : null,
        sessions: limit ? { total: limit.total, remaining: limit.remaining, resetAfterMs: limit.reset_after } : null,
      };
    },
  };
}

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT';
  readonly path: string;
  readonly body?: object;
  readonly what: string;
  readonly deadlineMs: number;
  readonly signal: AbortSignal;
}

function headersFor(token: string, appId: string): Record<string, string> {
  // The second one is undocumented and sent by every SDK (botgo, botpy, satori, nonebot).
  return { authorization: `QQBot ${token}`, 'x-union-appid': appId };
}

/**
 * `err_code` is the newer of the two fields and may differ from `code`. A code that we know beats one that we don't.
 */
export function readError(json: unknown): Pick<ApiAnswer, 'code' | 'class' | 'message'> {
  const {
    code,
    err_code: errCode,
    message,
  } = (typeof json === 'object' && json !== null ? json : {}) as Record<string, unknown>;
  const codes = [errCode, code].map(asCode).filter((each) => each !== null);
  const decisive = codes.find((each) => API_CODES.has(each)) ?? codes[0] ?? null;
  return {
    code: decisive,
    class: decisive === null ? null : (API_CODES.get(decisive)?.class ?? null),
    message: typeof message === 'string' ? message.slice(0, 300) : '',
  };
}

function asCode(value: unknown): number | null {
  const code = typeof value === 'string' && /^\d{1,12}$/.test(value) ? Number(value) : value;
  return typeof code === 'number' && Number.isSafeInteger(code) && code !== 0 ? code : null;
}

function discoveryFailure(answer: ApiAnswer): GatewayError {
  const said = `${answer.code === null ? `HTTP ${answer.status}` : `HTTP ${answer.status}, code ${answer.code}`}${
    answer.message === '' ? '' : ` "${answer.message}"`
  }${answer.traceId === null ? '' : `, trace ${answer.traceId}`}`;
  switch (answer.class) {
    case 'ip-not-listed':
      return new FatalError(
        'HOST_UNFIT',
        `this host's IP address is not on the bot's whitelist (${said}): add it in the QQ bot console`,
      );
    case 'operator':
      return new FatalError('PLATFORM_REFUSED', `gateway discovery refused (${said}): see the QQ bot console`);
    case 'token':
      return new TransientError('CREDENTIAL_REFUSED', `gateway discovery: a fresh access token was refused (${said})`);
    default:
      break;
  }
  const pauseMs = answer.retryAfterMs ?? (answer.status === 400 || answer.status === 429 ? DISCOVERY_PAUSE_MS : null);
  return new TransientError(pauseMs === null ? 'HTTP_STATUS' : 'RATE_LIMITED', `gateway discovery failed (${said})`, {
    ...(pauseMs === null ? {} : { retryAfterMs: pauseMs }),
  });
}
