/**
 * Takes secrets out of text: by value for all that were registered, by the name they stand under, and by their form
 * (bearer tokens, passwords in URLs). Time grows with the length of the text and with nothing else: whoever is quoted
 * in a log or a reason must not be able to stop the process with it.
 */
import { REDACTED, withoutKnownSecrets } from './known-secrets.ts';

const KEYS = [
  '(?:client|app|bot)?[-_]?secret',
  '(?:access|refresh|bot|admin)?[-_]?token',
  'x?-?api[-_]?key',
  '(?:proxy-)?authorization',
  'pass(?:word|wd)',
  '(?:set-)?cookie',
].join('|');

/** Each takes a secret out of a line of JSON; what is captured first stays. A value may end where the text does. */
const PATTERNS: readonly (readonly [RegExp, string])[] = [
  [
    new RegExp(`("(?:${KEYS})":)\\s{0,64}(?:"(?:[^"\\\\]|\\\\.)*(?:"|\\\\?$)|-?\\d[\\d.eE+-]*)`, 'gis'),
    `$1"${REDACTED}"`,
  ],
  // The same inside a string: a request body or a platform's answer quoted in a message. Its quotes are `\"` here, and
  // the value ends at the first one that no escaped backslash precedes.
  [
    new RegExp(
      `(\\\\"(?:${KEYS})\\\\"\\s{0,64}:\\s{0,64})(?:\\\\"(?:[^"\\\\]|\\\\\\\\(?:\\\\.|[^"\\\\])|\\\\[^"\\\\])*(?:\\\\"|\\\\{0,3}$)|-?\\d+)`,
      'gis',
    ),
    `$1\\"${REDACTED}\\"`,
  ],
  [new RegExp(`([?&](?:${KEYS}|key)=)[^&\\s"'\\\\]+`, 'gi'), `$1${REDACTED}`],
  // With brackets: a part of the token may be registered, and was taken out by its value before.
  [/(\b(?:QQBot|Bearer) )[\w.~+/=[\]-]{6,}/g, `$1${REDACTED}`],
  [/(\bBot \d+\.)[\w[\]-]{6,}/g, `$1${REDACTED}`],
];

export interface RedactOptions {
  /** The text is the start of a longer one: a secret that it ends in the middle of goes as well. @defaultValue false */
  readonly cut?: boolean;
}

/** `text` without secrets. Bound the text first where somebody else chose it: see {@link foreignText}. */
export function redact(text: string, { cut = false }: RedactOptions = {}): string {
  let clean = withoutKnownSecrets(text, cut);
  for (const [pattern, replacement] of PATTERNS) clean = clean.replace(pattern, replacement);
  return withoutUserInfo(clean, cut);
}

const SCHEME_END = '://';
const AUTHORITY_END = /[\s/"]/g;

/** `https://user:password@host` keeps its host. One look at each character: what follows `://` is searched once. */
function withoutUserInfo(text: string, cut: boolean): string {
  let clean = '';
  let from = 0;
  for (let at = text.indexOf(SCHEME_END); at !== -1; ) {
    const start = at + SCHEME_END.length;
    AUTHORITY_END.lastIndex = start;
    const end = AUTHORITY_END.exec(text)?.index ?? text.length;
    const authority = text.slice(start, end);
    const colon = authority.indexOf(':');
    const host = authority.lastIndexOf('@');
    if (colon !== -1 && host > colon) {
      clean += `${text.slice(from, start)}${REDACTED}`;
      from = start + host;
    } else if (cut && colon !== -1 && end === text.length && !PORT.test(authority)) {
      clean += `${text.slice(from, start)}${REDACTED}`;
      from = end;
    }
    at = text.indexOf(SCHEME_END, end);
  }
  return from === 0 ? text : clean + text.slice(from);
}

/** `host:8080`: what stands behind the colon is surely no password. */
const PORT = /^[^:]*:\d{1,5}$/;
