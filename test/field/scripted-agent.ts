/**
 * An agent whose answers are written by the test, byte by byte where it wants to: real HTTP on port 0. What is not
 * scripted is echoed, in the form that the caller understands (chat completions, streamed; or the webhook's).
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AskedOfAgent {
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: Record<string, unknown>;
  /** What was said last. */
  readonly text: string;
  readonly at: number;
}

/** Writes the whole answer. May throw or never end; the socket is destroyed with the agent. */
export type Answer = (asked: AskedOfAgent, response: ServerResponse) => void | Promise<void>;

export class ScriptedAgent implements AsyncDisposable {
  readonly calls: AskedOfAgent[] = [];
  readonly #scripted: Answer[] = [];
  readonly #server = createServer((request, response) => {
    this.#handle(request, response).catch(() => response.destroy());
  });
  #always: Answer | undefined;

  static async start(): Promise<ScriptedAgent> {
    const agent = new ScriptedAgent();
    agent.#server.listen(0, '127.0.0.1');
    await once(agent.#server, 'listening');
    return agent;
  }

  get origin(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** The value of `agent` in a holdfast.yaml. */
  settings(kind: 'openai' | 'webhook'): Record<string, unknown> {
    return kind === 'openai'
      ? { kind, url: `${this.origin}/v1`, model: 'scripted' }
      : { kind, url: `${this.origin}/hook`, secret: 'a-secret-of-the-webhook' };
  }

  /** The next calls are answered by these, one each; later ones are echoed. */
  next(...answers: Answer[]): void {
    this.#scripted.push(...answers);
  }

  /** Every further call that nothing else was scripted for; `undefined` echoes again. */
  always(answer: Answer | undefined): void {
    this.#always = answer;
  }

  /** The next answer is this text, in the caller's form. */
  say(text: string): void {
    this.next((asked, response) => answerWith(text, asked, response));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #handle(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let raw = '';
    for await (const chunk of request.setEncoding('utf8')) raw += chunk as string;
    const body = JSON.parse(raw) as Record<string, unknown>;
    const path = request.url ?? '';
    const asked: AskedOfAgent = { path, headers: request.headers, body, text: lastText(body), at: Date.now() };
    this.calls.push(asked);
    const answer = this.#scripted.shift() ?? this.#always;
    if (answer === undefined) answerWith(`echo: ${asked.text}`, asked, response);
    else await answer(asked, response);
  }
}

/** @public A whole and proper answer, in the form that the caller understands. */
export function answerWith(text: string, { path }: AskedOfAgent, response: ServerResponse): void {
  if (path.startsWith('/hook')) {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ text }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(chunkOf({ content: text }, null));
  response.write(chunkOf({}, 'stop'));
  response.end('data: [DONE]\n\n');
}

/** @public One event of a chat completions stream. */
export function chunkOf(delta: object, finish: string | null): string {
  return `data: ${JSON.stringify({ id: 'c1', object: 'chat.completion.chunk', created: 1, model: 'scripted', choices: [{ index: 0, delta, finish_reason: finish }] })}\n\n`;
}

function lastText(body: Record<string, unknown>): string {
  const last = (body.messages as readonly Record<string, unknown>[] | undefined)?.at(-1);
  const said = last?.content ?? last?.text;
  return typeof said === 'string' ? said : JSON.stringify(said ?? '');
}
