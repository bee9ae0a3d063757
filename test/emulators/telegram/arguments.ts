/**
 * Arguments of a call, however they came: query string, form, multipart or JSON. As on the platform each one is a string
 * in the end, nested objects being JSON inside it (Bot API reference, "Making requests").
 */
import type { IncomingMessage } from 'node:http';
import { badRequest } from './answers.ts';

export interface Upload {
  readonly name: string;
  readonly contentType: string;
  readonly bytes: Buffer;
}

export type Via = 'none' | 'query' | 'json' | 'form' | 'multipart';

/** No body is larger on the hosted service: 50 MB of file, and some text around it. */
const longestBody = 52 * 1024 * 1024;

export class CallArguments {
  readonly via: Via;
  readonly #values: ReadonlyMap<string, string>;
  readonly #files: ReadonlyMap<string, Upload>;

  constructor(via: Via, values: ReadonlyMap<string, string>, files: ReadonlyMap<string, Upload> = new Map()) {
    this.via = via;
    this.#values = values;
    this.#files = files;
  }

  /** @returns '' where it is missing, as the platform sees it */
  text(name: string): string {
    return this.#values.get(name) ?? '';
  }

  raw(name: string): string | undefined {
    return this.#values.get(name);
  }

  /** @returns `fallback` for a missing or odd value; numbers out of range are clamped, not refused */
  integer(name: string, fallback: number, min = Number.MIN_SAFE_INTEGER, max = Number.MAX_SAFE_INTEGER): number {
    const value = this.text(name).trim();
    const number = /^-?\d+$/.test(value) ? Number(value) : fallback;
    return Math.min(max, Math.max(min, number));
  }

  flag(name: string): boolean {
    return ['true', 'yes', '1'].includes(this.text(name).toLowerCase());
  }

  /** @throws ApiRefusal 400 for text that is no JSON */
  json(name: string, called: string): unknown {
    const value = this.text(name);
    if (value === '') return undefined;
    try {
      return JSON.parse(value);
    } catch {
      throw badRequest(`can't parse ${called} JSON object`);
    }
  }

  file(name: string): Upload | undefined {
    return this.#files.get(name);
  }

  /** All values, for the journal. */
  record(): Record<string, string> {
    return Object.fromEntries(this.#values);
  }
}

/** @throws ApiRefusal 400 for a body that cannot be read, 413 for one that is too long */
export async function readArguments(request: IncomingMessage, query: URLSearchParams): Promise<CallArguments> {
  const values = new Map<string, string>(query);
  const body = await bodyOf(request);
  const type = String(request.headers['content-type'] ?? '').toLowerCase();
  if (body.length === 0) return new CallArguments(values.size === 0 ? 'none' : 'query', values);
  if (type.startsWith('application/json')) {
    for (const [name, value] of Object.entries(objectIn(body))) values.set(name, asText(value));
    return new CallArguments('json', values);
  }
  const via = type.startsWith('multipart/form-data') ? 'multipart' : 'form';
  const files = new Map<string, Upload>();
  for (const [name, value] of await formIn(body, String(request.headers['content-type'] ?? ''))) {
    if (typeof value === 'string') values.set(name, value);
    else files.set(name, await uploadOf(value));
  }
  return new CallArguments(via, values, files);
}

async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of request) {
    length += (chunk as Buffer).length;
    if (length > longestBody) throw badRequest('request entity too large');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}

function objectIn(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw badRequest("can't parse JSON object");
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw badRequest("can't parse JSON object");
}

/** Node's own fetch classes know both form encodings. */
async function formIn(body: Buffer, contentType: string): Promise<FormData> {
  try {
    const request = new Request('http://form', { method: 'POST', body, headers: { 'Content-Type': contentType } });
    return await request.formData();
  } catch {
    throw badRequest("can't parse the request body");
  }
}

async function uploadOf(file: File): Promise<Upload> {
  return { name: file.name, contentType: file.type, bytes: Buffer.from(await file.arrayBuffer()) };
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
