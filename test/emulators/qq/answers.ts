/** How an HTTP answer leaves: whole, in drops, never, or as a reset. Every answer carries `X-Tps-trace-ID`. */
import { randomBytes } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import { cut } from '../listener.ts';
import type { HttpFault } from './fault-book.ts';

export type Answer =
  | { readonly how: 'json'; readonly status: number; readonly body: object; readonly headers?: Record<string, string> }
  | { readonly how: 'html'; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly how: 'empty'; readonly status: number; readonly headers?: Record<string, string> }
  /** The body comes byte by byte over that time. */
  | { readonly how: 'drip'; readonly status: number; readonly body: object; readonly overMs: number }
  | { readonly how: 'hang' }
  | { readonly how: 'reset' };

export function ok(body: object): Answer {
  return { how: 'json', status: 200, body };
}

/** The platform's error body (bot-docs, dev-prepare/error-trace/openapi.md). */
export function apiError(status: number, code: number, message: string, errCode = code): Answer {
  return { how: 'json', status, body: { message, code, err_code: errCode, trace_id: traceId() } };
}

/** The discovery limit's refusal, seen in NousResearch/hermes-agent PR #18172. Only its message is known, not its code. */
export const tooFrequent: HttpFault = {
  name: 'json',
  status: 400,
  body: { message: '接口调用超过频率限制', code: 1, err_code: 1, trace_id: 'emulated' },
};

export function asAnswer(fault: HttpFault, headers: Record<string, string> = {}): Answer {
  switch (fault.name) {
    case 'json':
      return { how: 'json', status: fault.status, body: fault.body, headers };
    case 'html':
      return { how: 'html', status: fault.status, headers };
    case 'empty':
      return { how: 'empty', status: fault.status, headers };
    case 'drip':
      return { how: 'drip', status: fault.status, body: fault.body, overMs: fault.overMs };
    case 'hang':
    case 'reset':
      return { how: fault.name };
    default:
      return fault satisfies never;
  }
}

/** @returns status and error code as the client reads them; null where no answer came */
export function readable(answer: Answer): { readonly status: number | null; readonly code: number | null } {
  if (answer.how === 'hang' || answer.how === 'reset') return { status: null, code: null };
  const body = 'body' in answer ? (answer.body as { code?: unknown }) : {};
  return { status: answer.status, code: typeof body.code === 'number' ? body.code : null };
}

export function write(response: ServerResponse, answer: Answer): void {
  if (answer.how === 'hang') return;
  if (answer.how === 'reset') {
    if (response.socket !== null) cut(response.socket);
    return;
  }
  response.setHeader('X-Tps-trace-ID', traceId());
  if ('headers' in answer)
    for (const [name, value] of Object.entries(answer.headers ?? {})) response.setHeader(name, value);
  response.statusCode = answer.status;
  switch (answer.how) {
    case 'json':
      response.setHeader('Content-Type', 'application/json');
      response.end(JSON.stringify(answer.body));
      return;
    case 'html':
      response.setHeader('Content-Type', 'text/html');
      response.end(
        `<html><head><title>${answer.status}</title></head><body><h1>${answer.status}</h1>stgw</body></html>`,
      );
      return;
    case 'empty':
      response.end();
      return;
    case 'drip':
      drip(response, JSON.stringify(answer.body), answer.overMs);
      return;
    default:
      answer satisfies never;
  }
}

function drip(response: ServerResponse, body: string, overMs: number): void {
  response.setHeader('Content-Type', 'application/json');
  const bytes = Buffer.from(body);
  let sent = 0;
  const timer = setInterval(() => {
    if (response.destroyed || sent >= bytes.length) {
      clearInterval(timer);
      response.end();
      return;
    }
    response.write(bytes.subarray(sent, ++sent));
  }, overMs / bytes.length);
  timer.unref();
}

function traceId(): string {
  return randomBytes(16).toString('hex');
}
