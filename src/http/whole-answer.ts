import { Readable } from 'node:stream';
import { unpacked, unpackersFor } from './content-encoding.ts';
import { type AnswerHead, type ExchangeOptions, startExchange } from './exchange.ts';
import { AnswerTooLong, HttpFailure } from './http-failure.ts';
import { parseBounded } from './json-values.ts';

export interface HttpAnswer {
  readonly status: number;
  /** Names in lower case; repeated headers joined by a comma. */
  readonly headers: Readonly<Record<string, string>>;
  readonly text: string;
  /** The parsed body, or `undefined` where it is no JSON (empty, HTML of a proxy). */
  readonly json: unknown;
  /** `Retry-After`, ms from now; `null` when absent or unreadable. */
  readonly retryAfterMs: number | null;
}

export interface BodyBounds {
  /** A longer body is a failure, bytes. */
  readonly mostBytes: number;
  /** What comes behind these is of no interest and not read, bytes. */
  readonly enoughBytes: number;
  /** `json` is parsed when it is first asked for, and throws then what reading would have thrown. */
  readonly readLater: boolean;
}

/** Of an answer that says no, bytes. Whoever says no in more words than that says nothing that we would read. */
export const ENOUGH_OF_A_REFUSAL = 4 * 1024;

/** @throws HttpFailure, or the signal's reason */
export function readWhole(options: ExchangeOptions, bounds: BodyBounds): Promise<HttpAnswer> {
  const { mostBytes } = bounds;
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    let enoughBytes = bounds.enoughBytes;
    let head: AnswerHead = { status: 0, headers: {} };
    const exchange = startExchange(options, {
      head(received) {
        head = received;
        if (received.status >= 400) enoughBytes = Math.min(enoughBytes, ENOUGH_OF_A_REFUSAL);
      },
      data(chunk) {
        size += chunk.length;
        chunks.push(chunk);
        if (size > enoughBytes) exchange.enough();
        else if (size > mostBytes) exchange.fail(tooLong(options.call.what, mostBytes));
      },
      end() {
        const encoding = head.headers['content-encoding'];
        const bytes = Buffer.concat(chunks);
        const body = { what: options.call.what, head, mostBytes, enoughBytes, readLater: bounds.readLater };
        if (encoding === undefined) settle(() => answer(body, bytes.subarray(0, enoughBytes)));
        else unpackWhole(body, bytes, encoding).then((plain) => settle(() => answer(body, plain)), reject);
      },
      failed: reject,
    });
    const settle = (read: () => HttpAnswer) => {
      try {
        resolve(read());
      } catch (error) {
        reject(error);
      }
    };
  });
}

interface ReceivedBody {
  readonly what: string;
  readonly head: AnswerHead;
  readonly mostBytes: number;
  readonly enoughBytes: number;
  readonly readLater: boolean;
}

async function unpackWhole({ what, ...body }: ReceivedBody, packed: Buffer, encoding: string): Promise<Buffer> {
  const unpackers = unpackersFor(encoding);
  if (unpackers === null) throw new HttpFailure('HTTP_BODY', `${what}: ${unknownEncoding(encoding)}`, true);
  const wanted = Math.min(body.mostBytes, body.enoughBytes);
  const chunks: Buffer[] = [];
  const reading = unpacked(Readable.from([packed], { objectMode: false }), unpackers, wanted);
  try {
    for (;;) {
      const next = await reading.next();
      if (next.done !== true) chunks.push(next.value);
      else if (next.value && body.enoughBytes > body.mostBytes) throw tooLong(what, body.mostBytes);
      else return Buffer.concat(chunks);
    }
  } catch (error) {
    if (error instanceof HttpFailure) throw error;
    // A refusal that was not read to its end cannot be unpacked to its end.
    if (packed.length > body.enoughBytes) return Buffer.concat(chunks);
    throw new HttpFailure('HTTP_BODY', `${what}: the answer is no ${encoding.slice(0, 40)}`, true, error);
  }
}

function answer({ what, head, readLater }: ReceivedBody, bytes: Buffer): HttpAnswer {
  const { status, headers } = head;
  const whole = { status, headers, text: bytes.toString('utf8'), retryAfterMs: readRetryAfter(headers['retry-after']) };
  if (!readLater) return { ...whole, json: parseBounded(bytes, what, whole.text) };
  let read: { readonly json: unknown } | undefined;
  return {
    ...whole,
    get json() {
      read ??= { json: parseBounded(bytes, what, whole.text) };
      return read.json;
    },
  };
}

export function tooLong(what: string, mostBytes: number): AnswerTooLong {
  return new AnswerTooLong(`${what}: the answer is longer than ${mostBytes} bytes`);
}

/** @param encoding - foreign text */
export function unknownEncoding(encoding: string): string {
  return `the answer came as "${encoding.replace(/[^\w ,.*+-]/g, '?').slice(0, 40)}", which nobody asked for`;
}

/** Seconds or an HTTP date (RFC 9110 §10.2.3). @returns ms from now, at least 0; `null` when unreadable */
export function readRetryAfter(value: string | undefined, now = Date.now()): number | null {
  if (value === undefined) return null;
  const text = value.trim();
  if (/^\d{1,9}(\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // Date.parse alone would take "-1" for a day in 2001.
  const at = /^[A-Z][a-z]{2}/.test(text) ? Date.parse(text) : Number.NaN;
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}
