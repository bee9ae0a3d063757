/**
 * QQ refuses texts with URLs of hosts that are not registered for the bot, and takes any dotted word for one: `README.md`
 * as well as `example.com` (openclaw-qqbot #29, #39; QwenPaw #303, #1399). With another dot the same text passes, and people can
 * still read and copy it.
 */

/** U+FF0E, which looks like a dot and is none. */
const WIDE_DOT = '．';

/** @returns the text without anything that QQ takes for a URL; the same text where there is nothing of the kind */
export function defuseLinks(text: string): string {
  return text
    .replace(/\d[\d.]*/g, (number) => (isPlainNumber(number) ? number : number.replaceAll('.', WIDE_DOT)))
    .replace(/\.(?=[\p{L}_])|(?<=[\p{L}_-])\.(?=[\p{L}\p{N}_-])/gu, WIDE_DOT)
    .replace(/:\/\/(?=[^\s/?#．]*(?:[\s/?#]|$))/g, '：//');
}

/** `3.14` is no host, nor is the end of a sentence; `10.0.0.1` is one, and `1.2.3` may be. */
function isPlainNumber(number: string): boolean {
  return !/\d\.\d+\.\d/.test(number);
}
