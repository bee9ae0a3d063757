/**
 * Looks at JSON text without reading it: nothing is built, nothing recurses, and the time is linear in the text. For
 * what must be known of a text that may be too deep, too strange or deadly to parse: how deep it is, and where its parts
 * begin and end. Of text that is no JSON it finds something or nothing, and never throws.
 */

/** Events of platforms nest some 10 deep. What recurses over parsed JSON breaks at several thousand. */
export const DEEPEST = 100;

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const COMMA = 0x2c;
const COLON = 0x3a;

/** Whether `text` nests deeper than {@link DEEPEST}. */
export function isTooDeep(text: string): boolean {
  // Every frame passes here, and next to none opens that much.
  if (opens(text) <= DEEPEST) return false;
  let depth = 0;
  for (let at = 0; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) {
      depth += 1;
      if (depth > DEEPEST) return true;
    } else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) depth -= 1;
  }
  return false;
}

/** How many signs open something, up to one more than {@link DEEPEST}: some of them may stand in strings. */
function opens(text: string): number {
  let count = 0;
  for (const sign of ['{', '[']) {
    for (let at = text.indexOf(sign); at !== -1 && count <= DEEPEST; at = text.indexOf(sign, at + 1)) count += 1;
  }
  return count;
}

/** A whole number that stands in the outermost object under `name`; the last one, as JSON.parse has it. */
export function numberAt(text: string, name: string): number | null {
  const value = memberAt(text, name);
  return value !== null && /^\d{1,16}$/.test(value) && Number.isSafeInteger(Number(value)) ? Number(value) : null;
}

/** The text of each element of the array that stands in the outermost object under `name`; `null`: there is none. */
export function elementsAt(text: string, name: string): readonly string[] | null {
  const array = memberAt(text, name);
  if (array === null || array.charCodeAt(0) !== OPEN_ARRAY || array.charCodeAt(array.length - 1) !== CLOSE_ARRAY) {
    return null;
  }
  const found: string[] = [];
  for (let at = 1; at < array.length - 1; at += 1) {
    const end = endOfValue(array, at);
    const element = array.slice(at, Math.min(end, array.length - 1)).trim();
    if (element !== '') found.push(element);
    at = end;
  }
  return found;
}

/** The text of the value under `name` in the outermost object, without blanks around it. */
function memberAt(text: string, name: string): string | null {
  let found: string | null = null;
  const first = endOfBlanks(text, 0);
  if (text.charCodeAt(first) !== OPEN_OBJECT) return null;
  let at = first + 1;
  while (at < text.length) {
    const start = text.indexOf('"', at);
    if (start < 0) break;
    const end = endOfString(text, start);
    const colon = endOfBlanks(text, end);
    if (text.charCodeAt(colon) !== COLON) break;
    const last = endOfValue(text, colon + 1);
    if (last >= text.length) break;
    if (isName(text.slice(start, end), name)) found = text.slice(colon + 1, last).trim();
    if (text.charCodeAt(last) !== COMMA) break;
    at = last + 1;
  }
  return found;
}

function isName(quoted: string, name: string): boolean {
  if (!quoted.includes('\\')) return quoted === `"${name}"`;
  try {
    return quoted.length < 100 && JSON.parse(quoted) === name;
  } catch {
    return false;
  }
}

/** Where the comma or bracket stands that ends the value that begins at `from`; the length of the text: nowhere. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const code = text.charCodeAt(at);
    if (code === QUOTE) at = endOfString(text, at) - 1;
    else if (code === OPEN_ARRAY || code === OPEN_OBJECT) depth += 1;
    else if (code === CLOSE_ARRAY || code === CLOSE_OBJECT) {
      if (depth === 0) return at;
      depth -= 1;
    } else if (code === COMMA && depth === 0) return at;
  }
  return text.length;
}

/** The position after the closing quote of the string that begins at `at`. */
function endOfString(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  while (end >= 0 && isEscaped(text, end, at)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end + 1;
}

/** An odd number of backslashes before it. */
function isEscaped(text: string, at: number, start: number): boolean {
  let before = at - 1;
  while (before > start && text.charCodeAt(before) === BACKSLASH) before -= 1;
  return (at - 1 - before) % 2 === 1;
}

function endOfBlanks(text: string, from: number): number {
  let at = from;
  while (at < text.length && text.charCodeAt(at) <= 0x20) at += 1;
  return at;
}
