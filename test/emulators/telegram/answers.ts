/** How an answer leaves: as the API's JSON, or as a fault makes of it. */
import type { ServerResponse } from 'node:http';
import type { ApiError, ResponseParameters } from '@grammyjs/types';

export interface JsonAnswer {
  readonly how: 'json';
  readonly status: number;
  /** Already serialized. */
  readonly body: string;
  /** Seconds, for the header. */
  readonly retryAfter?: number | undefined;
}

export type Answer =
  | JsonAnswer
  | { readonly how: 'file'; readonly bytes: Buffer }
  /** What a sick front end says instead. */
  | { readonly how: 'html'; readonly status: number }
  | { readonly how: 'empty'; readonly status: number }
  /** Half of the JSON under a whole Content-Length of its own: 200, and nothing a parser takes. */
  | { readonly how: 'broken-json' }
  /** The body comes byte by byte over that time. */
  | { readonly how: 'drip'; readonly answer: JsonAnswer; readonly overMs: number }
  /** Half of the announced body, then the socket is reset. */
  | { readonly how: 'cut'; readonly answer: JsonAnswer }
  | { readonly how: 'hang' }
  | { readonly how: 'reset' };

/** A refusal in the API's own words. */
export class ApiRefusal extends Error {
  readonly code: number;
  readonly parameters: ResponseParameters | undefined;

  constructor(code: number, description: string, parameters?: ResponseParameters) {
    super(description);
    this.name = 'ApiRefusal';
    this.code = code;
    this.parameters = parameters;
  }
}

export function badRequest(what: string): ApiRefusal {
  return new ApiRefusal(400, `Bad Request: ${what}`);
}

export function forbidden(what: string): ApiRefusal {
  return new ApiRefusal(403, `Forbidden: ${what}`);
}

/** @param seconds goes into the text, the parameters and the header */
export function tooManyRequests(seconds: number): ApiRefusal {
  return new ApiRefusal(429, `Too Many Requests: retry after ${seconds}`, { retry_after: seconds });
}

/** @param result serialized */
export function success(result: string, description?: string): JsonAnswer {
  const tail = description === undefined ? '' : `,"description":${JSON.stringify(description)}`;
  return { how: 'json', status: 200, body: `{"ok":true,"result":${result}${tail}}` };
}

export function failure(refusal: ApiRefusal): JsonAnswer {
  const { code, message: description, parameters } = refusal;
  const body: ApiError = {
    ok: false,
    error_code: code,
    description,
    ...(parameters === undefined ? {} : { parameters }),
  };
  return { how: 'json', status: code, body: JSON.stringify(body), retryAfter: parameters?.retry_after };
}

/** @returns HTTP status as the client reads it; null where no whole answer comes */
export function statusOf(answer: Answer): number | null {
  switch (answer.how) {
    case 'json':
    case 'html':
    case 'empty':
      return answer.status;
    case 'file':
    case 'broken-json':
      return 200;
    case 'drip':
      return answer.answer.status;
    case 'cut':
    case 'hang':
    case 'reset':
      return null;
    default:
      return answer satisfies never;
  }
}

export function write(response: ServerResponse, answer: Answer): void {
  switch (answer.how) {
    case 'json':
      head(response, answer).end(answer.body);
      return;
    case 'file':
      response.writeHead(200, { 'Content-Type': 'application/octet-stream' }).end(answer.bytes);
      return;
    case 'html':
      response
        .writeHead(answer.status, { 'Content-Type': 'text/html' })
        .end(`<html><head><title>${answer.status}</title></head><body><center>nginx</center></body></html>`);
      return;
    case 'empty':
      response.writeHead(answer.status).end();
      return;
    case 'broken-json':
      response.writeHead(200, { 'Content-Type': 'application/json' }).end('{"ok":true,"result":[{"update_id":');
      return;
    case 'drip':
      drip(response, answer.answer, answer.overMs);
      return;
    case 'cut': {
      const bytes = Buffer.from(answer.answer.body);
      // The callback comes when the half is with the kernel; a reset before it could overtake the bytes.
      head(response, answer.answer).write(bytes.subarray(0, bytes.length / 2), () => response.socket?.destroy());
      return;
    }
    case 'hang':
      return;
    case 'reset':
      response.socket?.resetAndDestroy();
      return;
    default:
      answer satisfies never;
  }
}

function head(response: ServerResponse, answer: JsonAnswer): ServerResponse {
  response.setHeader('Content-Type', 'application/json');
  response.setHeader('Content-Length', Buffer.byteLength(answer.body));
  if (answer.retryAfter !== undefined) response.setHeader('Retry-After', answer.retryAfter);
  return response.writeHead(answer.status);
}

const leastDropEveryMs = 20;

function drip(response: ServerResponse, answer: JsonAnswer, overMs: number): void {
  const bytes = Buffer.from(answer.body);
  const everyMs = Math.max(leastDropEveryMs, overMs / bytes.length);
  const drop = Math.max(1, Math.ceil((bytes.length * everyMs) / overMs));
  head(response, answer);
  let sent = 0;
  const timer = setInterval(() => {
    if (response.destroyed || sent >= bytes.length) {
      clearInterval(timer);
      response.end();
      return;
    }
    response.write(bytes.subarray(sent, sent + drop));
    sent += drop;
  }, everyMs);
  timer.unref();
}
