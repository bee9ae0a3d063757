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
import { sleep, withDeadline } from '../async/abort.ts';
import { type BackoffPolicy, backoffDelay } from '../async/backoff.ts';
import { explain, FatalError, GatewayError, TransientError } from '../errors.ts';
import { createHttpClient, HttpFailure } from '../http/client.ts';
import { createFetch } from '../http/fetch.ts';
import { AnswerTooLong } from '../http/http-failure.ts';
import type { Agent, AgentReply, AgentTurn } from './agent.ts';
import { MOST_STREAM_BYTES, tooLong } from './bounds.ts';
import { promptOf } from './prompt.ts';
import { readCompletion } from './read-completion.ts';

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
/** What a server says of itself is cut to this, UTF-16 units. */
const MOST_OF_A_REFUSAL = 500;

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
      fetch: createFetch({
        http: createHttpClient(),
        what: 'agent',
        // Behind the bound of the call, which is told.
        deadlineMs: timeoutMs + 1_000,
        maxBodyBytes: MOST_STREAM_BYTES,
      }),
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
      return await readCompletion(response, (text) => this.#scrub(text));
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
    // The library wraps what its `fetch` throws.
    const cause = error instanceof APIConnectionError && error.cause instanceof GatewayError ? error.cause : error;
    if (cause instanceof AnswerTooLong) return tooLong(explain(cause));
    if (error instanceof GatewayError && !(error instanceof HttpFailure)) return error;
    if (error instanceof APIUserAbortError)
      return new TransientError('AGENT_FAILED', 'the call was cut', { cause: error });
    const said = this.#scrub(explain(cause)).slice(0, MOST_OF_A_REFUSAL);
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
