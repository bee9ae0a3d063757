/** Text cut to a length. */

/**
 * At most `max` UTF-16 units of it and a mark that says how long it was; no character is cut in two, and what is no
 * Unicode (a lone surrogate) becomes U+FFFD.
 */
export function bounded(text: string, max: number): string {
  if (text.length <= max) return wellFormed(text);
  return `${wellFormed(startOf(text, max))}… (${text.length} characters)`;
}

/** The first `max` UTF-16 units, one less where that would cut a character in two. */
export function startOf(text: string, max: number): string {
  const last = text.charCodeAt(max - 1);
  const cutsInTwo = last >= 0xd800 && last <= 0xdbff && max < text.length;
  return text.slice(0, cutsInTwo ? max - 1 : max);
}

/** Without lone surrogates: JSON carries them, and many servers refuse it then. */
export function wellFormed(text: string): string {
  return LONE.test(text) ? text.replace(EACH_LONE, '\ufffd') : text;
}

const LONE = /\p{Cs}/u;
const EACH_LONE = /\p{Cs}/gu;
