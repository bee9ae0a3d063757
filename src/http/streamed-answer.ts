import { Readable } from 'node:stream';
import { unpacked, unpackersFor } from './content-encoding.ts';
import { type AnswerHead, type Exchange, type ExchangeOptions, startExchange } from './exchange.ts';
import { HttpFailure } from './http-failure.ts';
import { ENOUGH_OF_A_REFUSAL, tooLong, unknownEncoding } from './whole-answer.ts';

export interface StreamedAnswer extends AnswerHead {
  /**
   * The unpacked body, read no faster than it is taken. To leave it early closes the socket. Throws HttpFailure, or the
   * signal's reason. Of a refusal (status 400 and above) only the beginning comes, 4 KiB.
   */
  readonly body: AsyncGenerator<Buffer, void>;
  /** For whoever does not want the body. Safe to repeat. */
  close(): void;
}

/** @throws HttpFailure when no answer begins, or the signal's reason */
export function openStream(options: ExchangeOptions, { mostBytes }: { mostBytes: number }): Promise<StreamedAnswer> {
  return new Promise((resolve, reject) => {
    let received: Readable | undefined;
    const exchange = startExchange(options, {
      head(head) {
        const source = throttled(exchange);
        received = source;
        const body = bounded(source, head, { what: options.call.what, mostBytes });
        resolve({ ...head, body, close: () => void source.destroy() });
      },
      data(chunk) {
        if (received?.push(chunk) === false) exchange.pause();
      },
      end: () => void received?.push(null),
      failed(reason) {
        if (received === undefined) reject(reason);
        else received.destroy(reason instanceof Error ? reason : new Error(String(reason)));
      },
    });
  });
}

function throttled(exchange: Exchange): Readable {
  const source = new Readable({
    highWaterMark: 64 * 1024,
    read: () => exchange.resume(),
    destroy(error, callback) {
      exchange.enough();
      callback(error);
    },
  });
  // For the time in which nobody reads; who reads is told all the same.
  return source.on('error', () => {});
}

async function* bounded(
  received: Readable,
  { status, headers }: AnswerHead,
  { what, mostBytes }: { readonly what: string; readonly mostBytes: number },
): AsyncGenerator<Buffer, void> {
  const encoding = headers['content-encoding'];
  const unpackers = unpackersFor(encoding);
  const isRefusal = status >= 400;
  try {
    if (unpackers === null) throw new HttpFailure('HTTP_BODY', `${what}: ${unknownEncoding(encoding ?? '')}`, true);
    const hasMore = yield* unpacked(received, unpackers, isRefusal ? ENOUGH_OF_A_REFUSAL : mostBytes);
    if (hasMore && !isRefusal) throw tooLong(what, mostBytes);
  } catch (error) {
    if (error instanceof HttpFailure || received.errored === error || unpackers?.length === 0) throw error;
    throw new HttpFailure('HTTP_BODY', `${what}: the answer is no ${encoding?.slice(0, 40)}`, true, error);
  } finally {
    received.destroy();
  }
}
