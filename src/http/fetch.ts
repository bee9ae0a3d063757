/** For libraries that want to be given a `fetch`: theirs is this one, with the bounds of our own client. */
import type { StreamingHttpClient } from './client.ts';
import type { HttpCall } from './exchange.ts';
import { HttpFailure } from './http-failure.ts';
import type { StreamedAnswer } from './streamed-answer.ts';

export interface FetchOptions {
  readonly http: StreamingHttpClient;
  /** Names the calls in errors. */
  readonly what: string;
  /** Bound of a call, to the last byte of the body, ms. */
  readonly deadlineMs: number;
  /** Longest body, unpacked, bytes. */
  readonly maxBodyBytes: number;
}

type Method = HttpCall['method'];

/**
 * Takes a URL, and of `init` the method, headers, a body that is text, and the signal.
 *
 * @returns rejects with HttpFailure or the signal's reason; so does reading the body
 */
export function createFetch({ http, ...bounds }: FetchOptions): typeof fetch {
  return async (input, init = {}) => {
    const { method = 'GET', body = null, signal } = init;
    if (input instanceof Request || (body !== null && typeof body !== 'string')) {
      throw new TypeError('this fetch takes a URL and a body that is text');
    }
    const headers = Object.fromEntries(new Headers(init.headers));
    const call = { ...bounds, method: method.toUpperCase() as Method, url: String(input), headers };
    const answer = await http.stream(
      { ...call, ...(body === null ? {} : { body }) },
      { signal: signal ?? new AbortController().signal },
    );
    return responseOf(answer, bounds.what);
  };
}

const HAS_NO_BODY = new Set([204, 205, 304]);

function responseOf(answer: StreamedAnswer, what: string): Response {
  const { status, body } = answer;
  const isKnown = status >= 200 && status <= 599;
  if (!isKnown || HAS_NO_BODY.has(status)) answer.close();
  if (!isKnown) throw new HttpFailure('TRANSPORT', `${what}: answered with the status ${status}, which is none`, true);
  if (HAS_NO_BODY.has(status)) return new Response(null, { status });
  const stream = new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        const next = await body.next();
        if (next.done === true) controller.close();
        else controller.enqueue(next.value);
      },
      cancel: () => answer.close(),
    },
    { highWaterMark: 0 },
  );
  return new Response(stream, { status, headers: headersOf(answer.headers) });
}

/** Without what no `Headers` would take: bytes that are no ASCII. */
function headersOf(received: StreamedAnswer['headers']): Headers {
  const headers = new Headers();
  for (const [name, value] of Object.entries(received)) {
    if (/^[\t\x20-\x7e]*$/.test(value)) headers.set(name, value);
  }
  return headers;
}
