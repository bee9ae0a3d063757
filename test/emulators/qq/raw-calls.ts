/** Calls as a client without any cleverness makes them. Its sockets end with the emulator. */
import { Intent } from './protocol.ts';
import { RawClient } from './raw-client.ts';
import type { QqEmulator } from './server.ts';

const intents = Intent.GroupAndC2c | Intent.DirectMessage | Intent.PublicGuildMessages | Intent.Interaction;
export function dial(qq: QqEmulator): RawClient {
  return new RawClient(qq.gatewayUrl);
}

export async function tokenOf(qq: QqEmulator): Promise<string> {
  const answer = await post(qq.tokenUrl, { appId: qq.appId, clientSecret: qq.clientSecret });
  return answer.body.access_token;
}

// biome-ignore lint/suspicious/noExplicitAny: HTTP bodies are read field by field
export type Answer = { readonly status: number; readonly headers: Headers; readonly text: string; readonly body: any };

export async function post(
  url: string,
  body: unknown,
  headers: Record<string, string> = {},
  method = 'POST',
): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: { 'Content-Type': 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    signal: AbortSignal.timeout(3000),
  });
  const text = await response.text();
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    parsed = undefined;
  }
  return { status: response.status, headers: response.headers, text, body: parsed };
}

export async function get(qq: QqEmulator, path: string): Promise<Answer> {
  return post(`${qq.apiBaseUrl}${path}`, undefined, { Authorization: `QQBot ${await tokenOf(qq)}` }, 'GET');
}

export async function send(qq: QqEmulator, path: string, body: unknown): Promise<Answer> {
  return post(`${qq.apiBaseUrl}${path}`, body, { Authorization: `QQBot ${await tokenOf(qq)}` });
}

export async function identify(qq: QqEmulator, fields: Record<string, unknown> = {}) {
  const client = dial(qq);
  await client.frame(10);
  client.send({ op: 2, d: { token: `QQBot ${await tokenOf(qq)}`, intents, shard: [0, 1], properties: {}, ...fields } });
  return client;
}

export async function ready(qq: QqEmulator, fields: Record<string, unknown> = {}) {
  const client = await identify(qq, fields);
  const frame = await client.frame(0, 'READY');
  return { client, sessionId: frame.d.session_id as string };
}

export async function resume(qq: QqEmulator, sessionId: string, seq: unknown) {
  const client = dial(qq);
  await client.frame(10);
  client.send({ op: 6, d: { token: `QQBot ${await tokenOf(qq)}`, session_id: sessionId, seq } });
  return client;
}
