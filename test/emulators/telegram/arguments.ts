/**
 * Arguments of a call, however they came: query string, form, multipart or JSON. As on the platform each one is a string
 * in the end, nested objects being JSON inside it (Bot API reference, "Making requests").
 */
import type { IncomingMessage } from 'node:http';
import { Busboy, type BusboyInstance } from '@fastify/busboy';
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
  if (type.startsWith('multipart/form-data')) {
    const form = await readMultipart(body, String(request.headers['content-type']));
    return new CallArguments('multipart', new Map([...values, ...form.values]), form.files);
  }
  for (const [name, value] of new URLSearchParams(body.toString('utf8'))) values.set(name, value);
  return new CallArguments('form', values);
}

interface Form {
  readonly values: ReadonlyMap<string, string>;
  readonly files: ReadonlyMap<string, Upload>;
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

/** Parses leniently, as the platform does: clients differ in how they write the headers of a part. */
function readMultipart(body: Buffer, contentType: string): Promise<Form> {
  const values = new Map<string, string>();
  const files = new Map<string, Upload>();
  return new Promise((resolve, reject) => {
    const unreadable = () => reject(badRequest("can't parse the request body"));
    const parser = parserFor(contentType);
    if (parser === null) return unreadable();
    parser.on('field', (name, value) => values.set(name, value));
    parser.on('file', (field, stream, name, _encoding, type) => {
      const chunks: Buffer[] = [];
      stream.on('data', (chunk: Buffer) => chunks.push(chunk));
      stream.on('end', () => files.set(field, { name, contentType: type, bytes: Buffer.concat(chunks) }));
    });
    parser.on('error', unreadable);
    parser.on('finish', () => resolve({ values, files }));
    parser.end(body);
  });
}

/** @returns null where the header names no boundary */
function parserFor(contentType: string): BusboyInstance | null {
  try {
    return new Busboy({ headers: { 'content-type': contentType }, limits: { fieldSize: longestBody } });
  } catch {
    return null;
  }
}

function asText(value: unknown): string {
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
