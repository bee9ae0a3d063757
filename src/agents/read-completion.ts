/**
 * Reading what a chat completions server answered: streamed, or whole, as some do whatever was asked for. Everything in it
 * is foreign: no more is looked at than is needed, and none of it is kept beyond the bounds.
 */
import { FatalError, TransientError } from '../errors.ts';
import { parseBounded } from '../http/json-values.ts';
import { readEvents } from '../http/read-events.ts';
import { BoundedText, MOST_COMPLETION_BYTES, MOST_LINE_LENGTH, tooLong } from './bounds.ts';

/** Of what a server says of itself, UTF-16 units. */
const MOST_SAID = 300;

/**
 * @param scrub - takes the key out of what the server said
 * @returns the text, not blank
 * @throws FatalError when it is too long, or blank
 * @throws TransientError when it broke off, or is none
 * @throws whatever reading the body throws
 */
export async function readCompletion(response: Response, scrub: (text: string) => string): Promise<string> {
  const contentType = (response.headers.get('content-type') ?? 'no content type').slice(0, 100);
  const body = response.body as AsyncIterable<Uint8Array> | null;
  if (body !== null && contentType.includes('text/event-stream')) return readStream(body, scrub);
  if (body !== null && contentType.includes('application/json')) return readWhole(body);
  await response.body?.cancel();
  throw failed(`the agent answered with ${contentType} instead of an event stream`);
}

async function readStream(body: AsyncIterable<Uint8Array>, scrub: (text: string) => string): Promise<string> {
  const bound = new BoundedText();
  const pieces: string[] = [];
  let finished: string | null = null;
  for await (const data of readEvents(body, { what: 'agent', mostLineLength: MOST_LINE_LENGTH })) {
    // All that some servers send to say that an answer is complete.
    if (data.startsWith('[DONE]')) return notBlank(pieces.join(''), finished);
    const { choice, error } = read(parseEvent(data));
    if (error !== undefined) throw failed(`the agent broke off and said: ${scrub(inWords(error)).slice(0, MOST_SAID)}`);
    const text = bound.add(textOf(choice?.delta));
    if (text !== '') pieces.push(text);
    finished = reasonOf(choice) ?? finished;
  }
  if (finished === null) throw failed("the agent's answer broke off");
  return notBlank(pieces.join(''), finished);
}

function parseEvent(data: string): unknown {
  try {
    return JSON.parse(data);
  } catch {
    throw failed('the agent sent a line that is no JSON');
  }
}

async function readWhole(body: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of body) {
    size += chunk.length;
    if (size > MOST_COMPLETION_BYTES) throw tooLong(`the agent's answer is longer than ${MOST_COMPLETION_BYTES} bytes`);
    chunks.push(chunk);
  }
  const { choice } = read(parseBounded(Buffer.concat(chunks), 'agent'));
  if (choice?.message === undefined) throw failed("the agent's answer has no choices[0].message");
  return notBlank(new BoundedText().add(textOf(choice.message)), reasonOf(choice));
}

interface Choice {
  readonly delta?: unknown;
  readonly message?: unknown;
  readonly finish_reason?: unknown;
}

/** The first choice; nobody asks for more. */
function read(json: unknown): { readonly choice: Choice | undefined; readonly error: unknown } {
  const { choices, error } = asRecord(json);
  const first: unknown = Array.isArray(choices) ? choices[0] : undefined;
  return { choice: first === undefined ? undefined : asRecord(first), error: error ? error : undefined };
}

/** Content is text, or a list of blocks, of which some are text and others what the model thought. */
function textOf(message: unknown): string {
  const { content } = asRecord(message);
  if (typeof content === 'string') return content;
  if (!Array.isArray(content)) return '';
  return content
    .map(asRecord)
    .filter(({ type, text }) => type === 'text' && typeof text === 'string')
    .map(({ text }) => text as string)
    .join('');
}

function reasonOf(choice: Choice | undefined): string | null {
  const reason = choice?.finish_reason;
  return typeof reason === 'string' ? reason.slice(0, 50) : null;
}

function inWords(error: unknown): string {
  const { message } = asRecord(error);
  const said = typeof message === 'string' ? message : typeof error === 'string' ? error : 'an error without a message';
  return said;
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}

function failed(why: string): TransientError {
  return new TransientError('AGENT_FAILED', why);
}

function notBlank(text: string, finished: string | null): string {
  if (text.trim() !== '') return text;
  // Nothing would be sent, and nobody would know: a person shall see it.
  throw new FatalError('AGENT_REFUSED', `the agent's answer is empty (finish_reason ${finished ?? 'none'})`);
}
