import { type ErrorCode, TransientError } from '../errors.ts';
import { TunnelFailure } from './proxy/tunnel.ts';

/** No usable answer came. */
export class HttpFailure extends TransientError {
  /** False: the request provably never left this host. True: the server may have acted on it. */
  readonly maybeSent: boolean;

  constructor(
    code: Extract<ErrorCode, 'TRANSPORT' | 'DEADLINE' | 'HTTP_BODY' | 'HTTP_REDIRECT'>,
    message: string,
    maybeSent: boolean,
    cause?: unknown,
  ) {
    super(code, message, { cause });
    this.maybeSent = maybeSent;
  }
}

/** More came than may be kept. To ask again would bring the same. */
export class AnswerTooLong extends HttpFailure {
  override readonly name = 'HttpFailure';

  constructor(message: string) {
    super('HTTP_BODY', message, true);
  }
}

/** We ended the call ourselves, which says nothing about the sockets to its host. */
export class CutHere extends HttpFailure {
  override readonly name = 'HttpFailure';
}

/** A network error in words a search finds: the system's code, and where it went. */
export function inWords(error: unknown, place: string): string {
  if (error instanceof TunnelFailure) return error.message;
  const code = codeOf(error);
  switch (code) {
    case 'ECONNREFUSED':
      return `connection refused (ECONNREFUSED ${place})`;
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `DNS lookup failed (${code} ${place})`;
    case 'ECONNRESET':
    case 'UND_ERR_SOCKET':
      return `connection reset (${code} ${place})`;
    case 'ETIMEDOUT':
      return `connect timed out (${code} ${place})`;
    case 'UND_ERR_HEADERS_OVERFLOW':
      return `the head of the answer is longer than ${MOST_HEAD_BYTES} bytes (${place})`;
    case undefined:
      return `${error instanceof Error ? error.message : String(error)} (${place})`;
    default:
      return `${code} ${place}`;
  }
}

/** Status line and headers of an answer. */
export const MOST_HEAD_BYTES = 16 * 1024;

function codeOf(error: unknown): string | undefined {
  const { code, cause } = (error ?? {}) as { code?: unknown; cause?: unknown };
  if (typeof code === 'string') return code;
  return cause === undefined ? undefined : codeOf(cause);
}
