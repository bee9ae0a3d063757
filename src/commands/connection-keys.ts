/** Keys of a connection as words of a command line: `appId=102000000`, `intents=[DIRECT_MESSAGE]`. */
import { parse } from 'yaml';
import { takesText } from '../config/platforms.ts';
import { ConfigError } from '../errors.ts';
import type { JsonValue } from '../model.ts';

/**
 * @returns values of the kind that the key wants; `null` for `key=`
 * @throws ConfigError for a word without "="; its text is not repeated, as it may be a secret
 */
export function readKeys(words: readonly string[]): Record<string, JsonValue> {
  return Object.fromEntries(
    words.map((word, index) => {
      const at = word.indexOf('=');
      if (at < 1) throw new ConfigError([`argument ${index + 2}: has no "="; write key=value, as in platform=qq`]);
      const key = word.slice(0, at);
      const text = word.slice(at + 1);
      return [key, text === '' ? null : takesText(key, text) ? text : valueIn(text)];
    }),
  );
}

function valueIn(text: string): JsonValue {
  try {
    return parse(text) as JsonValue;
  } catch {
    return text;
  }
}
