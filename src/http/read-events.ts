/** Server-sent events from a body, within bounds, and in time that is linear in its bytes however they are cut. */
import { createParser } from 'eventsource-parser';
import { AnswerTooLong } from './http-failure.ts';

export interface EventBounds {
  /** Names the stream in errors. */
  readonly what: string;
  /** Longest line, and most data of one event, UTF-16 units. */
  readonly mostLineLength: number;
}

/** The parser looks for both ends of a line from each line on: what it is given at once must not be long, UTF-16 units. */
const PIECE = 4 * 1024;

/**
 * The data of each event that has some; also of one that the body breaks off behind.
 *
 * @throws AnswerTooLong, and whatever reading the body throws
 */
export async function* readEvents(
  body: AsyncIterable<Uint8Array>,
  { what, mostLineLength }: EventBounds,
): AsyncGenerator<string> {
  let events: string[] = [];
  let tooLong = false;
  const parser = createParser({
    maxBufferSize: mostLineLength,
    onEvent({ data }) {
      tooLong ||= data.length > mostLineLength;
      events.push(data);
    },
    onError(error) {
      tooLong ||= error.type === 'max-buffer-size-exceeded';
    },
  });
  const feed = function* (text: string): Generator<string> {
    for (let from = 0; from < text.length; from += PIECE) {
      parser.feed(text.slice(from, from + PIECE));
      if (tooLong) throw new AnswerTooLong(`${what}: a line of the stream is longer than ${mostLineLength} characters`);
      yield* events;
      events = [];
    }
  };
  const decoder = new TextDecoder();
  for await (const chunk of body) yield* feed(decoder.decode(chunk, { stream: true }));
  yield* feed(`${decoder.decode()}\n\n`);
}
