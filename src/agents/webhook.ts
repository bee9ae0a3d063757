/**
 * An agent behind a URL of its own: each turn is one signed POST, and the answer to it is the reply.
 *
 * Body: `{ "id", "connection", "conversation", "session", "messages": [{ "id", "text", "sender", "attachments", "at" }],
 * "history": [{ "role", "name", "text" }] }`. Answers: `200 {"text": "…"}`, `200 {"replies": [{"text": "…", "to": "<message
 * id>"}]}`, or `204` for nothing to say. The header `X-Holdfast-Signature` is `sha256=` and the HMAC-SHA-256, in hex, of
 * `X-Holdfast-Timestamp` (seconds), a dot and the body; `Idempotency-Key` is the turn's id and stays the same when a turn
 * is asked again.
 */
import { z } from 'zod';
import { FatalError, TransientError } from '../errors.ts';
import { createHttpClient, type HttpAnswer, type HttpClient } from '../http/client.ts';
import { AnswerTooLong } from '../http/http-failure.ts';
import { signatureHeaders } from '../http/signature.ts';
import type { InboundEvent } from '../model.ts';
import type { Agent, AgentReply, AgentTurn } from './agent.ts';
import { BoundedText, MOST_WEBHOOK_BYTES, tooLong } from './bounds.ts';

export interface WebhookOptions {
  readonly url: string;
  /** Signs each call; known to both sides. */
  readonly secret: string;
  /** Bound of one call, ms. */
  readonly timeoutMs: number;
  readonly historyMessages: number;
  readonly maxMessagesPerTurn: number;
}

/** Of one answer. */
const MOST_REPLIES = 10_000;

const answerSchema = z.union([
  z.looseObject({ text: z.string().min(1) }),
  z.looseObject({ replies: z.array(z.looseObject({ text: z.string().min(1), to: z.string().optional() })) }),
]);

export class WebhookAgent implements Agent {
  readonly kind = 'webhook';
  readonly maxMessagesPerTurn: number;
  readonly historyMessages: number;
  readonly timeoutMs: number;
  readonly #options: WebhookOptions;
  readonly #http: HttpClient;

  constructor(options: WebhookOptions) {
    this.#options = options;
    this.maxMessagesPerTurn = options.maxMessagesPerTurn;
    this.historyMessages = options.historyMessages;
    this.timeoutMs = options.timeoutMs + 1_000;
    this.#http = createHttpClient();
  }

  async reply(turn: AgentTurn, { signal }: { signal: AbortSignal }): Promise<readonly AgentReply[]> {
    const { url, secret, timeoutMs } = this.#options;
    const json = payloadOf(turn);
    // The HTTP client writes the same JSON.
    const signature = signatureHeaders(secret, JSON.stringify(json), Date.now());
    const headers = { 'idempotency-key': turn.id, ...signature };
    const call = { method: 'POST', url, headers, json, deadlineMs: timeoutMs, what: 'agent webhook' } as const;
    const answer = await this.#http
      .request({ ...call, maxBodyBytes: MOST_WEBHOOK_BYTES }, { signal })
      .catch((error: unknown) => {
        throw error instanceof AnswerTooLong ? tooLong(error.message) : error;
      });
    return readReplies(answer, turn.messages);
  }
}

function payloadOf({ id, connectionId, conversation, session, messages, history }: AgentTurn) {
  return {
    id,
    connection: connectionId,
    conversation,
    session,
    messages: messages.map(({ eventId, text, sender, attachments, platformAt }) => ({
      id: eventId,
      text,
      sender,
      attachments,
      at: platformAt === null ? null : new Date(platformAt).toISOString(),
    })),
    history,
  };
}

function readReplies(answer: HttpAnswer, messages: readonly InboundEvent[]): AgentReply[] {
  const { status, json, retryAfterMs } = answer;
  if (status >= 500 || status === 408 || status === 425 || status === 429 || status === 304) {
    throw new TransientError('AGENT_FAILED', `the agent webhook answered HTTP ${status}`, {
      status,
      ...(retryAfterMs === null ? {} : { retryAfterMs }),
    });
  }
  if (status >= 400) throw new FatalError('AGENT_REFUSED', `the agent webhook answered HTTP ${status}`, { status });
  const last = messages.at(-1);
  if (status === 204 || last === undefined) return [];
  if (repliesIn(json) > MOST_REPLIES) throw tooLong(`the agent webhook answered more than ${MOST_REPLIES} replies`);
  const read = answerSchema.safeParse(json);
  if (!read.success) {
    // A proxy's page with status 200, or a server that is being restarted: asking again may help.
    throw new TransientError('AGENT_FAILED', 'the agent webhook answered neither {"text"} nor {"replies"}', { status });
  }
  const replies = 'replies' in read.data ? (read.data.replies as { text: string; to?: string }[]) : [read.data];
  const bound = new BoundedText();
  return replies.map(({ text, to }) => ({
    to: messages.find(({ eventId }) => eventId === to) ?? last,
    text: bound.add(String(text)),
  }));
}

/** Looked at before each of them is. */
function repliesIn(json: unknown): number {
  const replies = typeof json === 'object' && json !== null && 'replies' in json ? json.replies : null;
  return Array.isArray(replies) ? replies.length : 0;
}
