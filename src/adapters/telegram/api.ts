/**
 * Calls of the Bot API. The token stands in every URL, so no URL ever leaves this file: failures name the method and the
 * host, never the path.
 */
import { explain } from '../../errors.ts';
import { type HttpAnswer, type HttpClient, HttpFailure } from '../../http/client.ts';
import { withoutTrailingSlashes } from '../../text/trailing.ts';
import { classify, envelope, LONGEST_ANSWER_BYTES, type RefusalClass } from './protocol.ts';

/** The platform said no, in its own form. */
export interface Refusal {
  readonly kind: 'refused';
  readonly method: string;
  readonly code: number;
  readonly class: RefusalClass;
  readonly description: string;
  /** How long it wants us to wait, ms; `null`: it names nothing. */
  readonly retryAfterMs: number | null;
  /** The new id of a group that has become a supergroup. */
  readonly movedTo: string | null;
}

/** Something came that is no answer of the Bot API: a proxy's page, half a JSON. */
export interface Garbled {
  readonly kind: 'garbled';
  readonly method: string;
  readonly status: number;
  /** The whole body as it came. */
  readonly text: string;
}

/** No answer came. */
export interface Unanswered {
  readonly kind: 'unanswered';
  readonly method: string;
  readonly failure: HttpFailure;
}

/** `text`: the whole body as it came. */
export type Answer =
  | { readonly kind: 'ok'; readonly result: unknown; readonly text: string }
  | Refusal
  | Garbled
  | Unanswered;

export interface CallOptions {
  readonly signal: AbortSignal;
  /** Bound of the whole call, ms. */
  readonly deadlineMs: number;
}

export interface TelegramApi {
  /**
   * One call, one request.
   *
   * @throws the signal's reason, and nothing else
   */
  call(method: string, params: object, options: CallOptions): Promise<Answer>;
  /** The same, with an answer that nobody has read yet. */
  ask(method: string, params: object, options: CallOptions): Promise<Unread | Unanswered>;
}

/** An answer as it came. */
export interface Unread {
  readonly kind: 'unread';
  readonly text: string;
  read(): Answer;
}

export interface TelegramApiOptions {
  readonly http: HttpClient;
  readonly apiBaseUrl: string;
  readonly token: string;
}

export function createTelegramApi({ http, apiBaseUrl, token }: TelegramApiOptions): TelegramApi {
  const base = `${withoutTrailingSlashes(apiBaseUrl)}/bot${token}`;
  return {
    async call(method, params, options) {
      const answer = await this.ask(method, params, options);
      return answer.kind === 'unread' ? answer.read() : answer;
    },
    async ask(method, params, { signal, deadlineMs }) {
      const request = {
        what: method,
        method: 'POST',
        url: `${base}/${method}`,
        json: params,
        deadlineMs,
        maxBodyBytes: LONGEST_ANSWER_BYTES,
        readLater: true,
      } as const;
      try {
        const answer = await http.request(request, { signal });
        return { kind: 'unread', text: answer.text, read: () => readReceived(method, answer) };
      } catch (failure) {
        if (failure instanceof HttpFailure) return { kind: 'unanswered', method, failure };
        throw failure;
      }
    },
  };
}

/** An answer of more values than anybody parses is as good as none; one update in it may be at fault. */
function readReceived(method: string, answer: HttpAnswer): Answer {
  try {
    return readAnswer(method, answer);
  } catch (error) {
    if (!(error instanceof HttpFailure)) throw error;
    return { kind: 'garbled', method, status: answer.status, text: answer.text };
  }
}

/** The JSON decides; the HTTP status only repeats it, and a proxy may have written that. */
export function readAnswer(method: string, { status, json, text, retryAfterMs }: HttpAnswer): Answer {
  const read = envelope.safeParse(json);
  if (!read.success) return { kind: 'garbled', method, status, text };
  const { ok, result, error_code: code = status, description = '', parameters } = read.data;
  if (ok) return result === undefined ? { kind: 'garbled', method, status, text } : { kind: 'ok', result, text };
  const { retry_after: seconds, migrate_to_chat_id: movedTo } = parameters ?? {};
  return {
    kind: 'refused',
    method,
    code,
    class: classify(code, description),
    description: description.slice(0, 300),
    retryAfterMs: seconds === undefined ? retryAfterMs : seconds * 1000,
    movedTo: movedTo === undefined ? null : String(movedTo),
  };
}

/** What went wrong, in words a search finds. */
export function inWords(trouble: Refusal | Garbled | Unanswered): string {
  switch (trouble.kind) {
    case 'refused': {
      const { method, code, description } = trouble;
      return `${method}: ${description === '' ? 'refused' : description} (${code})`;
    }
    case 'garbled':
      return `${trouble.method}: HTTP ${trouble.status} with a body that is no answer of the Bot API`;
    case 'unanswered':
      return explain(trouble.failure);
    default:
      return trouble satisfies never;
  }
}
