/** A small chat completions server that streams, as an agent behind Holdfast would: real HTTP, real SSE. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface AgentCall {
  readonly authorization: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly model: string;
  /** Text of the last message. */
  readonly text: string;
}

export interface OpenAiServer extends AsyncDisposable {
  /** Base URL, with version. */
  readonly url: string;
  readonly calls: AgentCall[];
  /** The next calls are answered with these statuses instead. */
  readonly failNext: number[];
  /** The next calls wait for these first. */
  readonly holdNext: Promise<unknown>[];
}

/** @param answer - to the text of the last message; it is streamed word by word */
export async function startOpenAiServer(answer: (text: string) => string): Promise<OpenAiServer> {
  const record = { calls: [], failNext: [], holdNext: [] };
  const server = createServer((request, response) => {
    handle(request, response, record, answer).catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return { url: `http://127.0.0.1:${port}/v1`, ...record, [Symbol.asyncDispose]: () => close(server) };
}

async function handle(
  request: IncomingMessage,
  response: ServerResponse,
  { calls, failNext, holdNext }: Pick<OpenAiServer, 'calls' | 'failNext' | 'holdNext'>,
  answer: (text: string) => string,
): Promise<void> {
  const body = JSON.parse(await readBody(request)) as { model: string; messages: { content: string }[] };
  const text = body.messages.at(-1)?.content ?? '';
  const { authorization, 'idempotency-key': key } = request.headers;
  calls.push({ authorization, idempotencyKey: key?.toString(), model: body.model, text });
  await holdNext.shift();
  const status = failNext.shift();
  if (status !== undefined) {
    response.writeHead(status, { 'content-type': 'application/json' });
    const message = `refused: ${authorization}, whose key is ${authorization?.replace('Bearer ', '')}`;
    response.end(JSON.stringify({ error: { message } }));
    return;
  }
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const send = (delta: object, finish: string | null) => {
    const chunk = {
      id: 'chatcmpl-1',
      object: 'chat.completion.chunk',
      created: 1,
      model: body.model,
      choices: [{ index: 0, delta, finish_reason: finish }],
    };
    response.write(`data: ${JSON.stringify(chunk)}\n\n`);
  };
  for (const word of answer(text).split(/(?<= )/)) send({ content: word }, null);
  send({}, 'stop');
  response.end('data: [DONE]\n\n');
}

async function readBody(request: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk as string;
  return text;
}

async function close(server: Server): Promise<void> {
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
}
