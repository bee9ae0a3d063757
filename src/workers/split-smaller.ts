/** Cuts a text that a platform called too long although it kept to the limit we know. Pure. */
import { splitText } from '../adapters/split.ts';

/** Of the text: most are cut into two at this. */
const SHARE = 0.6;
/** Nobody's limit is so low; what is refused then is something else. */
const SHORTEST = 8;

/** @returns two or three pieces, or the text alone when it is too short for that */
export function splitSmaller(text: string): readonly string[] {
  return text.length < SHORTEST ? [text] : splitText(text, Math.ceil(text.length * SHARE));
}
