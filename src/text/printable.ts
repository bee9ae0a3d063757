/**
 * Text as one line that a terminal, a log reader or a person cannot mistake for anything else. Escape sequences can
 * rename a window, write the clipboard or draw a false status; bidirectional controls turn text around; characters
 * without width make two names look alike.
 *
 * @see https://cwe.mitre.org/data/definitions/150.html and https://www.unicode.org/reports/tr36/ (bidirectional text
 *   spoofing), both read 2026-11-30
 */

/** Controls (C0, DEL, C1), format characters (bidi, zero width, tags), line and paragraph separators, lone surrogates. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u;
const EACH_INVISIBLE = /\r\n|[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** One line: line breaks become `⏎`, tabs spaces, and whatever cannot be seen `\u{…}`. Ordinary text comes back as it is. */
export function printable(text: string): string {
  return INVISIBLE.test(text) ? text.replace(EACH_INVISIBLE, visible) : text;
}

function visible(found: string): string {
  if (found === '\t') return ' ';
  if (found === '\n' || found === '\r' || found === '\r\n') return ' ⏎ ';
  return `\\u{${(found.codePointAt(0) ?? 0).toString(16)}}`;
}

/**
 * JSON as `JSON.stringify` writes it, with what a terminal would obey or hide written as `\uXXXX`: the same value to
 * whoever parses it.
 */
export function printableJson(json: string): string {
  return INVISIBLE.test(json) ? json.replace(EACH_INVISIBLE_UNIT, escaped) : json;
}

/** Line breaks stay: outside of strings they are layout, and inside of strings JSON has none. */
const EACH_INVISIBLE_UNIT = /[^\P{Cc}\n\r\t]|[\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

function escaped(found: string): string {
  let text = '';
  for (let unit = 0; unit < found.length; unit += 1) {
    text += `\\u${found.charCodeAt(unit).toString(16).padStart(4, '0')}`;
  }
  return text;
}
