/**
 * An agent behind an OpenAI-compatible chat completions API, streaming.
 *
 * With the API server of Hermes Agent: the session headers let it keep the transcript and its long-term memory per
 * conversation; it takes them only with an API key (403 otherwise), then ignores the history sent along, and of the
 * messages reads the last one. That is why a turn's messages are sent as one. Its server honours `Idempotency-Key` on
 * answers that are not streamed; sending it always costs nothing.
 *
 * @see NousResearch/hermes-agent, website/docs/user-guide/features/api-server.md and gateway/platforms/api_server.py,
 *   read 2026-11-22
 */
import OpenAI, { APIConnectionError, APIError, APIUserAbortError } from 'openai';
import { Stream } from 'openai/core/streaming';
import { z } from 'zod';
import { sleep, withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import { explain, FatalError, GatewayError, TransientError } from '../errors.ts';
import type { Agent, AgentReply, AgentTurn } from './agent.ts';
import { promptOf } from './prompt.ts';

export interface OpenAiOptions {
  /** Base URL with version, such as `http://127.0.0.1:8642/v1`. */
  readonly url: string;
  readonly apiKey?: string | undefined;
  readonly model: string;
  /** Bound of one call, streaming included, ms. */
  readonly timeoutMs: number;
  /** Repeats of a failed call within one try at a turn. */
  readonly maxRetries: number;
  readonly historyMessages: number;
  readonly systemPrompt?: string | undefined;
  readonly maxMessagesPerTurn: number;
}

const BETWEEN_CALLS: BackoffPolicy = { baseMs: 500, capMs: 4_000, factor: 2 };
/** A server that asks for a longer wait gets it from the turn's own backoff, which holds no slot, ms. */
const LONGEST_WAIT_MS = 5_000;
/** Longer answers are refused rather than kept in memory and sent in hundreds of parts, UTF-16 units. */
const MAX_ANSWER_CHARS = 1_000_000;

export class OpenAiAgent implements Agent {
  readonly kind = 'openai';
  readonly maxMessagesPerTurn: number;
  readonly historyMessages: number;
  readonly timeoutMs: number;
  readonly #options: OpenAiOptions;
  readonly #client: OpenAI;

  constructor(options: OpenAiOptions) {
    const { url, apiKey, timeoutMs, maxRetries } = options;
    this.#options = options;
    this.maxMessagesPerTurn = options.maxMessagesPerTurn;
    this.historyMessages = options.historyMessages;
    this.timeoutMs = (maxRetries + 1) * timeoutMs + maxRetries * LONGEST_WAIT_MS + 1_000;
    this.#client = new OpenAI({
      baseURL: url,
      apiKey: apiKey ?? 'none',
      // What the library would otherwise take from the environment.
      organization: null,
      project: null,
      logLevel: 'off',
      // Repeats are made here, where streams that break off count as well.
      maxRetries: 0,
      timeout: timeoutMs,
      ...(apiKey === undefined ? { defaultHeaders: { Authorization: null } } : {}),
    });
  }

  async reply(turn: AgentTurn, { signal }: { signal: AbortSignal }): Promise<readonly AgentReply[]> {
    const to = turn.messages.at(-1);
    if (to === undefined) return [];
    for (let attempt = 0; ; attempt += 1) {
      try {
        const text = await withDeadline('agent', this.#options.timeoutMs, signal, (cut) => this.#ask(turn, cut));
        return [{ to, text }];
      } catch (error) {
        signal.throwIfAborted();
        if (!(error instanceof TransientError) || attempt >= this.#options.maxRetries) throw error;
        const waitMs = error.retryAfterMs ?? backoffDelay(BETWEEN_CALLS, attempt, Math.random());
        if (waitMs > LONGEST_WAIT_MS) throw error;
        await sleep(waitMs, { signal });
      }
    }
  }

  async #ask(turn: AgentTurn, signal: AbortSignal): Promise<string> {
    try {
      const response = await this.#client.chat.completions
        .create(
          { model: this.#options.model, messages: promptOf(turn, this.#options.systemPrompt), stream: true },
          { signal, headers: this.#headers(turn) },
        )
        .asResponse();
      return await readResponse(response, signal);
    } catch (error) {
      throw this.#classify(error, signal);
    }
  }

  #headers(turn: AgentTurn): Record<string, string> {
    const session = { 'X-Hermes-Session-Id': turn.session, 'X-Hermes-Session-Key': turn.session };
    return { 'Idempotency-Key': turn.id, ...(this.#options.apiKey === undefined ? {} : session) };
  }

  /** The one place that decides whether asking again may help. */
  #classify(error: unknown, signal: AbortSignal): unknown {
    if (signal.aborted) return signal.reason;
    if (error instanceof GatewayError) return error;
    if (error instanceof APIUserAbortError)
      return new TransientError('AGENT_FAILED', 'the call was cut', { cause: error });
    const said = this.#scrub(explain(error));
    if (error instanceof APIError && error.status !== undefined && !(error instanceof APIConnectionError)) {
      if (mayPass(error.status)) {
        const retryAfterMs = retryAfter(error.headers);
        return new TransientError('AGENT_FAILED', `the agent answered ${said}`, {
          status: error.status,
          ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
        });
      }
      return new FatalError('AGENT_REFUSED', `the agent answered ${said}`, { status: error.status });
    }
    // No connection, a stream that broke off, an error inside the stream, a line that is no JSON.
    return new TransientError('AGENT_FAILED', `the agent did not answer: ${said}`);
  }

  /** Servers quote keys back; the library's errors hold whole requests, so they are not kept as cause either. */
  #scrub(text: string): string {
    const { apiKey } = this.#options;
    return apiKey === undefined ? text : text.replaceAll(apiKey, '***');
  }
}

async function readResponse(response: Response, signal: AbortSignal): Promise<string> {
  const contentType = response.headers.get('content-type') ?? 'no content type';
  if (contentType.includes('text/event-stream')) return await readStream(response, signal);
  // Some servers know no streaming and answer whole, whatever was asked for.
  if (contentType.includes('application/json')) return readWhole(await response.json());
  await response.body?.cancel();
  throw new TransientError('AGENT_FAILED', `the agent answered with ${contentType} instead of an event stream`);
}

async function readStream(response: Response, signal: AbortSignal): Promise<string> {
  const { body, ended } = watchForEnd(response);
  const controller = new AbortController();
  const stream = Stream.fromSSEResponse<OpenAI.Chat.Completions.ChatCompletionChunk>(body, controller);
  let text = '';
  let finished: string | null = null;
  try {
    for await (const chunk of stream) {
      const choice = chunk.choices?.[0];
      text += choice?.delta?.content ?? '';
      finished = choice?.finish_reason ?? finished;
      if (text.length > MAX_ANSWER_CHARS) throw tooLong();
    }
  } finally {
    controller.abort();
  }
  // The library ends the loop quietly when the call was cut.
  signal.throwIfAborted();
  if (finished === null && !ended()) throw new TransientError('AGENT_FAILED', "the agent's answer broke off");
  return notEmpty(text, finished);
}

/** The library hides the closing `[DONE]`, which is all that some servers send to say that an answer is complete. */
function watchForEnd(response: Response): { body: Response; ended: () => boolean } {
  let tail = '';
  const decoder = new TextDecoder();
  const watched = response.body?.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(bytes, controller) {
        tail = (tail + decoder.decode(bytes, { stream: true })).slice(-64);
        controller.enqueue(bytes);
      },
    }),
  );
  return { body: new Response(watched ?? null, response), ended: () => tail.trimEnd().endsWith('data: [DONE]') };
}

const wholeAnswer = z.looseObject({
  choices: z
    .array(z.looseObject({ message: z.looseObject({ content: z.string() }), finish_reason: z.string().nullish() }))
    .min(1),
});

function readWhole(json: unknown): string {
  const read = wholeAnswer.safeParse(json);
  const choice = read.data?.choices[0];
  if (choice === undefined) throw new TransientError('AGENT_FAILED', "the agent's answer has no choices[0].message");
  if (choice.message.content.length > MAX_ANSWER_CHARS) throw tooLong();
  return notEmpty(choice.message.content, choice.finish_reason ?? null);
}

function tooLong(): FatalError {
  return new FatalError('AGENT_REFUSED', `the agent's answer is longer than ${MAX_ANSWER_CHARS} characters`);
}

function notEmpty(text: string, finished: string | null): string {
  if (text.trim() !== '') return text;
  // Nothing would be sent, and nobody would know: a person shall see it.
  throw new FatalError('AGENT_REFUSED', `the agent's answer is empty (finish_reason ${finished ?? 'none'})`);
}

/** 408, 409 (a conflict with a call under way), 425, 429 and what is the server's own fault. */
function mayPass(status: number): boolean {
  return status === 408 || status === 409 || status === 425 || status === 429 || status >= 500 || status < 400;
}

function retryAfter(headers: Headers | undefined): number | undefined {
  const ms = Number(headers?.get('retry-after-ms') ?? Number.NaN);
  if (Number.isFinite(ms) && ms >= 0) return ms;
  const text = headers?.get('retry-after');
  if (text === undefined || text === null) return undefined;
  const seconds = Number(text);
  const wait = Number.isFinite(seconds) ? seconds * 1_000 : Date.parse(text) - Date.now();
  return Number.isFinite(wait) && wait >= 0 ? wait : undefined;
}
