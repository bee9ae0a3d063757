/** From the HTTP request to its answer. Checks come in the platform's order: path, token, instance, faults, method. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Answer, ApiRefusal, failure, type JsonAnswer, statusOf, write } from './answers.ts';
import { type CallArguments, readArguments } from './arguments.ts';
import { type Bot, type Bots, type Platform, tokenShape } from './bot.ts';
import type { CallFault } from './fault-book.ts';
import { methodNamed } from './methods.ts';
import type { ColdStarts } from './rates.ts';
import { SendDesk } from './sends.ts';
import type { Sockets } from './sockets.ts';

export interface ApiParts {
  readonly platform: Platform;
  readonly bots: Bots;
  readonly coldStarts: ColdStarts;
  readonly sockets: Sockets;
}

const notFound = () => new ApiRefusal(404, 'Not Found');
const methodPath = /^\/bot([^/]*)\/([^/]*)$/;
const filePath = /^\/file\/bot([^/]*)\/(.+)$/;

export class Api {
  readonly #parts: ApiParts;
  readonly #desk: SendDesk;
  #calls = 0;

  constructor(parts: ApiParts) {
    this.#parts = parts;
    this.#desk = new SendDesk(parts.platform.clock, parts.platform.journal);
  }

  async handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { sockets } = this.#parts;
    const arrivedAt = performance.now();
    const url = new URL(request.url ?? '/', 'http://api');
    const number = ++this.#calls;
    const target = targetOf(url.pathname);
    const bot = this.#parts.bots.byToken(target.token);
    const method = target.kind === 'method' ? target.method : target.kind;
    const answer = await this.#answer(request, url, { number, target, method, bot });
    if (answer === null) return;
    const isHeard = !response.destroyed && !sockets.isFrozen(request.socket);
    this.#parts.platform.journal.append({
      kind: 'answer',
      call: number,
      botId: bot?.id ?? null,
      method,
      status: statusOf(answer),
      description: descriptionIn(answer),
      tookMs: Math.round(performance.now() - arrivedAt),
      isHeard: isHeard && statusOf(answer) !== null,
    });
    if (isHeard) write(response, answer);
  }

  /** @returns null for a request on a frozen socket: nobody ever hears of it */
  async #answer(request: IncomingMessage, url: URL, called: Called): Promise<Answer | null> {
    try {
      const args = await readArguments(request, url.searchParams);
      if (this.#parts.sockets.isFrozen(request.socket)) return null;
      this.#noteCall(request, called, args);
      if (called.target.kind === 'file') return fileAt(called.bot, called.target.path);
      return await this.#method(request, called, args);
    } catch (error) {
      if (error instanceof ApiRefusal) return failure(error);
      throw error;
    }
  }

  #noteCall(request: IncomingMessage, { number, method, bot }: Called, args: CallArguments): void {
    this.#parts.platform.journal.append({
      kind: 'call',
      call: number,
      botId: bot?.id ?? null,
      method,
      args: args.record(),
      via: args.via,
      socket: this.#parts.sockets.numberOf(request.socket),
    });
  }

  async #method(request: IncomingMessage, called: Called, args: CallArguments): Promise<Answer> {
    const { number, target, bot } = called;
    if (target.kind !== 'method' || !tokenShape.test(target.token)) throw notFound();
    if (bot === undefined || bot.instance.name === 'cold') this.#parts.coldStarts.take(addressOf(request));
    if (bot === undefined) throw new ApiRefusal(401, 'Unauthorized');
    this.#load(bot);
    const method = called.method === '' ? args.text('method').toLowerCase() : called.method;
    const fault = this.#parts.platform.faults.take('call', { botId: bot.id, method, chatId: args.text('chat_id') });
    if (fault !== undefined && !fault.isApplied) return inPlaceOf(fault);
    const run = methodNamed(method);
    if (run === undefined) throw new ApiRefusal(404, 'Not Found: method not found');
    const { journal } = this.#parts.platform;
    const answer = await run({ number, bot, method, args }, { desk: this.#desk, journal });
    return fault === undefined ? answer : distorted(fault, answer);
  }

  /** @throws ApiRefusal 500 while the bot's instance closes */
  #load(bot: Bot): void {
    const { instance } = bot;
    if (instance.name === 'restarting' && performance.now() < instance.untilMs)
      throw new ApiRefusal(500, 'Internal Server Error: restart');
    bot.instance = { name: 'loaded' };
  }
}

type Target =
  | { readonly kind: 'method'; readonly token: string; readonly method: string }
  | { readonly kind: 'file'; readonly token: string; readonly path: string }
  | { readonly kind: 'nowhere'; readonly token: '' };

interface Called {
  readonly number: number;
  readonly target: Target;
  /** In lower case; for the journal also `file` and `nowhere`. */
  readonly method: string;
  readonly bot: Bot | undefined;
}

function targetOf(pathname: string): Target {
  let path: string;
  try {
    path = decodeURIComponent(pathname);
  } catch {
    return { kind: 'nowhere', token: '' };
  }
  const [, fileToken, file] = filePath.exec(path) ?? [];
  if (fileToken !== undefined && file !== undefined) return { kind: 'file', token: fileToken, path: file };
  const [, token, method] = methodPath.exec(path) ?? [];
  if (token === undefined || method === undefined) return { kind: 'nowhere', token: '' };
  return { kind: 'method', token, method: method.toLowerCase() };
}

function fileAt(bot: Bot | undefined, path: string): Answer {
  const file = bot?.files.at(path);
  if (file === undefined) throw notFound();
  return { how: 'file', bytes: file.bytes };
}

function inPlaceOf(fault: Exclude<CallFault, { isApplied: true }>): Answer {
  switch (fault.name) {
    case 'refuse':
    case 'gateway':
      return failure(fault.refusal);
    case 'html':
    case 'empty':
      return { how: fault.name, status: fault.status };
    case 'hang':
    case 'reset':
    case 'broken-json':
      return { how: fault.name };
    default:
      return fault satisfies never;
  }
}

/** The platform has done what was asked; its answer goes astray. */
function distorted(fault: Exclude<CallFault, { isApplied: false }>, answer: JsonAnswer): Answer {
  switch (fault.name) {
    case 'gateway':
      return failure(fault.refusal);
    case 'html':
    case 'empty':
      return { how: fault.name, status: fault.status };
    case 'hang':
    case 'reset':
    case 'broken-json':
      return { how: fault.name };
    case 'cut':
      return { how: 'cut', answer };
    case 'drip':
      return { how: 'drip', answer, overMs: fault.overMs };
    default:
      return fault satisfies never;
  }
}

function descriptionIn(answer: Answer): string | null {
  if (answer.how !== 'json' || answer.status === 200) return null;
  return (JSON.parse(answer.body) as { description: string }).description;
}

function addressOf(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}
