import { AnswerTooLong } from './http-failure.ts';

const QUOTE = 0x22;
const COMMA = 0x2c;
const OPENING_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const OPENING_BRACE = 0x7b;
/** Shorter texts are not counted, bytes. */
const FEW = 1024 * 1024;

/** A body of many tiny values takes a hundred times its length in memory. */
const MOST_VALUES = 1_000_000;

/**
 * @param text - the same, decoded, where somebody has it already
 * @returns the value; `undefined` where it is no JSON
 * @throws AnswerTooLong when it has more than a million values
 */
export function parseBounded(json: Buffer, what: string, text?: string): unknown {
  if (mostValuesIn(json) > MOST_VALUES)
    throw new AnswerTooLong(`${what}: the answer has more than ${MOST_VALUES} values`);
  try {
    return JSON.parse(text ?? json.toString('utf8'));
  } catch {
    return undefined;
  }
}

/**
 * How many values a JSON text has at most; 0 for texts of less than 1 MiB. `[{},{},…]` takes fifty bytes and more of memory
 * for three that were sent, so this is asked before a long text is parsed. Linear, and much faster than parsing.
 */
function mostValuesIn(json: Buffer): number {
  if (json.length < FEW) return 0;
  let values = 1;
  let inString = false;
  for (let at = 0; at < json.length; at += 1) {
    const byte = json[at];
    if (inString) {
      if (byte === BACKSLASH) at += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) inString = true;
    else if (byte === COMMA || byte === OPENING_BRACE || byte === OPENING_BRACKET) values += 1;
  }
  return values;
}
