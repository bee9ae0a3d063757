/** The HTTP side: token endpoint, discovery, sends. Checks come in the platform's order: token first, then the route. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, apiError, asAnswer, ok, readable, tooFrequent, write } from './answers.ts';
import type { Bot, Bots } from './bot.ts';
import type { FaultBook } from './fault-book.ts';
import type { Journal } from './journal.ts';
import type { QqSettings } from './options.ts';
import { ApiCode, type Scene, TokenCode } from './protocol.ts';
import type { SendDesk } from './send-desk.ts';

/** One OpenAPI call, its token accepted. */
export interface Call {
  readonly bot: Bot;
  readonly method: string;
  readonly path: string;
  readonly contentType: string;
  readonly raw: Buffer;
  /** Undefined when the body is no JSON object or not declared as one. */
  readonly body: Readonly<Record<string, unknown>> | undefined;
}

const scenes: ReadonlyArray<readonly [RegExp, Scene]> = [
  [/^\/v2\/users\/([^/]+)\/messages(?:\/([^/]+))?$/, 'c2c'],
  [/^\/v2\/groups\/([^/]+)\/messages(?:\/([^/]+))?$/, 'group'],
  [/^\/channels\/([^/]+)\/messages(?:\/([^/]+))?$/, 'channel'],
  [/^\/dms\/([^/]+)\/messages(?:\/([^/]+))?$/, 'dm'],
];

export class RestApi {
  /** Where `/gateway` sends clients; a fault may point it elsewhere. */
  gatewayUrl = '';
  readonly #settings: QqSettings;
  readonly #bots: Bots;
  readonly #faults: FaultBook;
  readonly #journal: Journal;
  readonly #desk: SendDesk;

  constructor(settings: QqSettings, bots: Bots, faults: FaultBook, journal: Journal, desk: SendDesk) {
    this.#settings = settings;
    this.#bots = bots;
    this.#faults = faults;
    this.#journal = journal;
    this.#desk = desk;
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const raw = await bodyOf(request);
    const method = request.method ?? 'GET';
    const path = new URL(request.url ?? '/', 'http://api').pathname;
    const contentType = String(request.headers['content-type'] ?? '');
    const body = contentType.startsWith('application/json') ? parseObject(raw) : undefined;
    const isToken = path === '/app/getAppAccessToken';
    const bot = isToken ? undefined : this.#botOf(request);
    const answer = isToken
      ? this.#token(method, body)
      : await this.#api(request, bot, { method, path, contentType, raw, body });
    this.#journal.append({ kind: 'http', appId: bot?.appId ?? null, method, path, ...readable(answer) });
    write(response, answer);
  }

  #token(method: string, body: Call['body']): Answer {
    const refuse = (code: number, message: string, appId = ''): Answer => {
      this.#journal.append({ kind: 'token', appId, outcome: 'refused' });
      return ok({ code, message });
    };
    if (method !== 'POST') return { how: 'empty', status: 405 };
    const { appId, clientSecret } = body ?? {};
    const fault = this.#faults.take('token', { appId: typeof appId === 'string' ? appId : undefined });
    if (fault !== undefined && fault.name !== 'expires-in') {
      this.#journal.append({ kind: 'token', appId: String(appId ?? ''), outcome: 'fault' });
      return asAnswer(fault);
    }
    if (body === undefined) return refuse(TokenCode.InternalError, 'internal err');
    const bot = typeof appId === 'string' ? this.#bots.get(appId) : undefined;
    if (bot === undefined) return refuse(TokenCode.AppIdInvalid, 'appid invalid', String(appId));
    if (clientSecret !== bot.account.clientSecret) {
      return refuse(TokenCode.SecretInvalid, 'invalid appid or secret', bot.appId);
    }
    const token = bot.tokens.issue(Date.now());
    this.#journal.append({ kind: 'token', appId: bot.appId, outcome: token.fresh ? 'new' : 'same' });
    // A string on the wire, though the documentation's type column says number.
    const expiresIn = fault === undefined ? String(token.expiresIn) : fault.value;
    return ok({ access_token: token.value, ...(expiresIn === undefined ? {} : { expires_in: expiresIn }) });
  }

  async #api(request: IncomingMessage, bot: Bot | undefined, call: Omit<Call, 'bot'>): Promise<Answer> {
    const fault = this.#faults.take('api', { appId: bot?.appId, path: call.path });
    if (fault !== undefined) return asAnswer(fault);
    const { authorization } = request.headers;
    if (authorization === undefined) return apiError(401, ApiCode.TokenMissing, 'token not found');
    if (bot === undefined) {
      return authorization.startsWith('Bot ')
        ? apiError(401, ApiCode.OldTokenScheme, 'bot token scheme is switched off')
        : apiError(401, ApiCode.TokenInvalid, 'token not exist or expire');
    }
    const unionAppId = request.headers['x-union-appid'];
    if (unionAppId !== undefined && unionAppId !== bot.appId)
      return apiError(401, ApiCode.WrongAppId, 'appid mismatch');
    return this.#route({ ...call, bot });
  }

  async #route(call: Call): Promise<Answer> {
    const { bot, method, path } = call;
    if (method === 'GET' && (path === '/gateway' || path === '/gateway/bot')) return this.#discover(bot, path);
    if (method === 'GET' && path === '/users/@me') return ok(bot.profile());
    if (method === 'POST' && path === '/users/@me/dms') return this.#desk.openDm(call);
    const interaction = /^\/interactions\/([^/]+)$/.exec(path);
    if (method === 'PUT' && interaction !== null) return this.#ack(call, decodeURIComponent(interaction[1] as string));
    for (const [pattern, scene] of scenes) {
      const [, chatId, messageId] = pattern.exec(path) ?? [];
      if (chatId === undefined) continue;
      if (method === 'POST' && messageId === undefined) return this.#desk.send(call, scene, decodeURIComponent(chatId));
      if (method === 'DELETE' && messageId !== undefined) {
        return this.#desk.recall(call, scene, decodeURIComponent(chatId), decodeURIComponent(messageId));
      }
      return { how: 'empty', status: 405 };
    }
    return apiError(404, 404, 'not found');
  }

  #discover(bot: Bot, path: string): Answer {
    if (bot.discovery !== null && !bot.discovery.take(Date.now())) return asAnswer(tooFrequent);
    if (path === '/gateway') return ok({ url: this.gatewayUrl });
    return ok({ url: this.gatewayUrl, shards: 1, session_start_limit: bot.quota.describe(Date.now()) });
  }

  #ack(call: Call, interactionId: string): Answer {
    const accepted = typeof call.body?.code === 'number' && call.bot.chats.ack(interactionId);
    this.#journal.append({
      kind: 'interaction-ack',
      appId: call.bot.appId,
      interactionId,
      code: call.body?.code,
      accepted,
    });
    return accepted ? ok({}) : apiError(400, ApiCode.ContentMismatch, 'interaction unknown or acknowledged before');
  }

  #botOf(request: IncomingMessage): Bot | undefined {
    const authorization = request.headers.authorization ?? '';
    if (authorization.startsWith('QQBot ')) return this.#bots.byToken(authorization.slice('QQBot '.length));
    if (!this.#settings.allowOldBotToken || !authorization.startsWith('Bot ')) return undefined;
    return this.#bots.byOldToken(authorization.slice('Bot '.length));
  }
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function parseObject(raw: Buffer): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(raw.toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}
