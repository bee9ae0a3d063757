/** Calls as a client without any cleverness makes them. */
import type { TelegramEmulator } from './server.ts';

export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** Undefined where the text is no JSON. */
  // biome-ignore lint/suspicious/noExplicitAny: HTTP bodies are read field by field
  readonly body: any;
}

export interface RawOptions {
  /** @defaultValue the default bot's */
  readonly token?: string | null;
  /** How the arguments go. @defaultValue 'json' */
  readonly via?: 'json' | 'form' | 'multipart' | 'query';
  /** @defaultValue 60 s at most */
  readonly signal?: AbortSignal;
}

/** One call of one method. @throws when the connection breaks, or the signal aborts */
export async function call(
  telegram: TelegramEmulator,
  method: string,
  args: Readonly<Record<string, unknown>> = {},
  options: RawOptions = {},
): Promise<RawAnswer> {
  const { token = telegram.token, via = 'json', signal = AbortSignal.timeout(60_000) } = options;
  const url = new URL(`/bot${token}/${method}`, telegram.url);
  if (via === 'query') for (const [name, value] of Object.entries(args)) url.searchParams.set(name, asField(value));
  const request = via === 'query' ? {} : { method: 'POST', ...bodyOf(args, via) };
  return read(await fetch(url, { ...request, signal }));
}

/** A poll of the default bot. */
export function poll(
  telegram: TelegramEmulator,
  args: Readonly<Record<string, unknown>> = {},
  options?: RawOptions,
): Promise<RawAnswer> {
  return call(telegram, 'getUpdates', args, options);
}

/** Update ids in an answer. */
export function ids(answer: RawAnswer): number[] {
  return (answer.body.result as { update_id: number }[]).map(({ update_id: id }) => id);
}

export async function get(url: string): Promise<RawAnswer> {
  return read(await fetch(url, { signal: AbortSignal.timeout(5000) }));
}

async function read(response: Response): Promise<RawAnswer> {
  const text = await response.text();
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    body = undefined;
  }
  return { status: response.status, headers: response.headers, text, body };
}

function bodyOf(args: Readonly<Record<string, unknown>>, via: 'json' | 'form' | 'multipart'): RequestInit {
  if (via === 'json') return { body: JSON.stringify(args), headers: { 'Content-Type': 'application/json' } };
  const form = via === 'form' ? new URLSearchParams() : new FormData();
  for (const [name, value] of Object.entries(args)) {
    if (form instanceof FormData && value instanceof Blob) form.set(name, value, 'upload.txt');
    else form.set(name, asField(value));
  }
  return { body: form };
}

/** In forms and query strings an object is JSON inside its field. */
function asField(value: unknown): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
