/** How much an agent may say. Whoever says more is refused, and not asked again: the answer would be as long. */
import { FatalError } from '../errors.ts';

const MIB = 1024 * 1024;

/** Of the texts of one answer together, UTF-8 bytes. */
const MOST_TEXT_BYTES = 4 * MIB;
/** Of the files of one answer together, before they are written in base64, bytes. */
const MOST_MEDIA_BYTES = 20 * MIB;
/** Of the JSON of a webhook's answer: its files in base64, and its texts. */
export const MOST_WEBHOOK_BYTES = Math.ceil((MOST_MEDIA_BYTES * 4) / 3) + MOST_TEXT_BYTES;
/** Of a whole chat completion: JSON may write one byte of text as six. */
export const MOST_COMPLETION_BYTES = 4 * MOST_TEXT_BYTES;
/** Of a streamed one: some hundred bytes around each word, and what is thought and done before the first. */
export const MOST_STREAM_BYTES = 64 * MOST_TEXT_BYTES;
/** Of one line of a stream, UTF-16 units. */
export const MOST_LINE_LENGTH = MIB;

/** The texts of one answer, added one by one. */
export class BoundedText {
  #bytes = 0;

  /** @throws FatalError when all of it is more than may be */
  add(text: string): string {
    this.#bytes += Buffer.byteLength(text);
    if (this.#bytes > MOST_TEXT_BYTES)
      throw tooLong(`the agent's answer has more than ${MOST_TEXT_BYTES} bytes of text`);
    return text;
  }
}

export function tooLong(why: string): FatalError {
  return new FatalError('AGENT_REFUSED', `${why}: let the agent answer with less`);
}
