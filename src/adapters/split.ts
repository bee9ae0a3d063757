/**
 * Cuts a long text into messages: at a paragraph if there is one late enough, else at a line, a space, or anywhere that is
 * not inside a character. A code block that is cut is closed at the end of one message and opened again in the next, so
 * that each message is whole by itself.
 */

/** A boundary earlier than this share of the message leaves too much of it empty. */
const EARLIEST_CUT = 0.5;
const FENCE = /^ {0,3}(`{3,}|~{3,})[^\n`]*$/;

/**
 * @param limit - UTF-16 units per message, at least 16
 * @returns at least one part, each non-blank and within `limit`; none for blank text
 */
export function splitText(text: string, limit: number): readonly string[] {
  const parts: string[] = [];
  let rest = text.trim();
  let open: string | null = null;
  while (rest !== '') {
    const head = open === null ? '' : `${open}\n`;
    const { part, taken, fence } = nextPart(head, rest, limit, open);
    parts.push(part);
    rest = rest.slice(taken);
    // Inside a code block blanks at the start of a line carry meaning.
    rest = fence === null ? rest.trim() : rest.replace(/^\n/, '').trimEnd();
    open = fence;
  }
  return parts;
}

interface Cut {
  readonly part: string;
  /** How much of the rest is in it. */
  readonly taken: number;
  /** The opening line of the code block that goes on in the next part. */
  readonly fence: string | null;
}

function nextPart(head: string, rest: string, limit: number, open: string | null): Cut {
  if (head.length + rest.length <= limit) return { part: `${head}${rest}`, taken: rest.length, fence: null };
  // A cut inside a block needs room for the closing fence; whether it is inside is known only after the cut.
  for (let room = limit - head.length; ; ) {
    const taken = cutAt(rest, Math.max(1, room));
    const body = rest.slice(0, taken);
    const fence = fenceAfter(body, open);
    const tail = fence === null ? '' : `\n${closingOf(fence)}`;
    const part = `${head}${body.trimEnd()}${tail}`;
    if (part.length <= limit || room <= 1) return { part, taken, fence };
    room = Math.min(room, taken) - (part.length - limit);
  }
}

/** Where to cut, at most `room` units in and at least one character. */
function cutAt(text: string, room: number): number {
  if (text.length <= room) return text.length;
  const window = text.slice(0, room + 1);
  const earliest = room * EARLIEST_CUT;
  for (const boundary of ['\n\n', '\n', ' ']) {
    const at = window.lastIndexOf(boundary);
    if (at >= earliest && at <= room && at > 0) return at;
  }
  return wholeCharacters(text, room);
}

/** Never between the halves of a surrogate pair, nor before a mark that belongs to the character before it. */
function wholeCharacters(text: string, room: number): number {
  let at = room;
  while (at > 1 && joined(text, at)) at -= 1;
  if (at > 1) return at;
  // One character longer than the room, such as a family of joined emoji: at least keep pairs whole.
  return isPair(text, room) && room > 1 ? room - 1 : Math.max(room, isPair(text, 1) ? 2 : 1);
}

function joined(text: string, at: number): boolean {
  return isPair(text, at) || /^(\p{M}|\u200d|\ufe0f)/u.test(text.slice(at, at + 2)) || text[at - 1] === '\u200d';
}

function isPair(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
}

/** The opening line of the block in which `body` ends, if it began in block `open`. */
function fenceAfter(body: string, open: string | null): string | null {
  let current = open;
  for (const line of body.split('\n')) {
    const mark = FENCE.exec(line)?.[1];
    if (mark === undefined) continue;
    if (current === null) current = line.trimEnd();
    else if (mark.startsWith(closingOf(current)) && line.trim() === mark) current = null;
  }
  return current;
}

function closingOf(fence: string): string {
  return FENCE.exec(fence)?.[1] ?? '```';
}

/**
 * As {@link splitText}, for a platform that takes only so many replies to one message: what is beyond them stands apart.
 *
 * @param maxParts - `null`: as many as it takes
 */
export function splitForParts(
  text: string,
  limit: number,
  maxParts: number | null,
): { readonly parts: readonly string[]; readonly overflow: readonly string[] } {
  const parts = splitText(text, limit);
  if (maxParts === null) return { parts, overflow: [] };
  return { parts: parts.slice(0, maxParts), overflow: parts.slice(maxParts) };
}
