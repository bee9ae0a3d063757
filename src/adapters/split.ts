/**
 * Cuts a long text into messages: at a paragraph if there is one late enough, else at a line, a sentence, a space, or
 * anywhere that is not inside a character. A code block that is cut is closed at the end of one message and opened again in the next, so
 * that each message is whole by itself.
 *
 * Whoever wrote the text may want it cut into many: each message but the last takes half of what it can hold at least, and
 * what is repeated of an opening line is bounded. The time is linear in the text.
 */
import { closingLine, type Fence, fenceAfter, fenceAtEnd, openingLine, opensWith } from './code-fence.ts';

/** A boundary earlier than this share of the message leaves too much of it empty. */
const EARLIEST_CUT = 0.5;
/** A sentence that ends later than this is worth the room behind it. */
const LATE = 0.75;
/** What closes and opens a block again may take this share of a message; else the block is not opened again. */
const MOST_AROUND = 0.25;
/** A character of more code points, such as a family of joined emoji, may be cut, UTF-16 units. */
const LONGEST_CHARACTER = 64;

/**
 * @param limit - UTF-16 units per message, at least 16
 * @returns at least one part, each non-blank and within `limit`; none for blank text. Not more than twice as many as the
 *   text needs, and two
 */
export function splitText(text: string, limit: number): readonly string[] {
  const whole = text.trim();
  if (whole === '') return [];
  if (whole.length <= limit) return [whole];
  const cutter = new Cutter(text.trimEnd(), limit);
  const parts: string[] = [];
  for (let part = cutter.next(); part !== null; part = cutter.next()) if (part.trim() !== '') parts.push(part);
  return parts;
}

/** Where a part may end. */
interface Cut {
  /** What it has of the text, as it is shown. */
  readonly body: string;
  readonly end: number;
  /** The block that is open at the end of the part. */
  readonly shown: Fence | null;
  /** The block that is open there in the text: what a cut leaves of a line may look otherwise than the line. */
  readonly meant: Fence | null;
  /** The end of the line that was cut; `null`: the cut is between two lines. */
  readonly inLineUntil: number | null;
}

/** A line that begins in a part and does not fit. */
interface LongLine {
  readonly at: number;
  readonly end: number;
  /** What is shown before it. */
  readonly lead: string;
  readonly before: Fence | null;
  readonly meant: Fence | null;
}

class Cutter {
  readonly #text: string;
  readonly #limit: number;
  #at = 0;
  /** The block that is open at `#at`. */
  #open: Fence | null = null;
  /** The end of the line in which `#at` is; `null`: at a line's start. */
  #lineEnd: number | null = null;

  constructor(text: string, limit: number) {
    this.#text = text;
    this.#limit = limit;
    this.#skipBlank();
  }

  /** @returns the next part; `null` after the last one */
  next(): string | null {
    if (this.#at >= this.#text.length) return null;
    const again = this.#openAgain();
    const lead = again === null ? '' : this.#leadIn(again);
    const head = again === null ? '' : `${openingLine(again)}\n${lead}`;
    const cut = this.#cut(this.#limit - head.length, again, lead);
    this.#moveTo(cut);
    if (cut.shown !== null) return `${head}${cut.body}${closingOf(cut.shown)}`;
    const part = `${head}${cut.body}`;
    // A blank line may be what ends a quotation, and the block in it.
    return fenceAtEnd(part.trimEnd()) === null ? part.trimEnd() : part;
  }

  /** The block as the next part opens it: with a shorter mark or without its language where those would take much. */
  #openAgain(): Fence | null {
    if (this.#open === null) return null;
    const { indent, mark, language } = this.#open;
    const forms = [
      this.#open,
      { indent, mark, language: '' },
      { indent: '', mark: mark.slice(0, 3), language },
      { indent: '', mark: mark.slice(0, 3), language: '' },
    ];
    const around = (fence: Fence) =>
      openingLine(fence).length + 1 + this.#leadIn(fence).length + closingOf(fence).length;
    return forms.find((fence) => around(fence) <= this.#limit * MOST_AROUND) ?? null;
  }

  /** The rest of a line that was cut is in the quotation as well. */
  #leadIn({ indent }: Fence): string {
    return this.#lineEnd !== null && indent.includes('>') ? indent : '';
  }

  /** @param room - of the part, without what opens the block `again` and leads in */
  #cut(room: number, again: Fence | null, lead: string): Cut {
    let [shown, meant] = [again, this.#open];
    let [paragraph, line, last]: (Cut | null)[] = [null, null, null];
    for (let at = this.#at; ; ) {
      const isRest = at === this.#at && this.#lineEnd !== null;
      const end = isRest ? (this.#lineEnd ?? at) : this.#endOfLine(at);
      const before = shown;
      // Of a line that was cut, the text's own block is known already.
      if (!isRest) meant = fenceAfter(this.#text.slice(at, end), meant);
      const fits = end - this.#at <= room;
      if (fits) shown = fenceAfter(`${isRest ? lead : ''}${this.#text.slice(at, end)}`, shown);
      if (!fits || end - this.#at + closingOf(shown).length > room) {
        const long = { at, end, lead: isRest ? lead : '', before, meant };
        return paragraph ?? line ?? this.#cutInLine(long, room) ?? last ?? this.#cutAnywhere(long, room);
      }
      last = { body: this.#text.slice(this.#at, end), end, shown, meant, inLineUntil: null };
      if (end === this.#text.length) return last;
      // A block that was opened by the last line would be an empty one.
      if (end - this.#at >= this.#least && (shown === null || before !== null)) {
        line = last;
        if (this.#text[end + 1] === '\n') paragraph = last;
      }
      at = end + 1;
    }
  }

  get #least(): number {
    return Math.ceil(this.#limit * EARLIEST_CUT);
  }

  #endOfLine(at: number): number {
    const end = this.#text.indexOf('\n', at);
    return end === -1 ? this.#text.length : end;
  }

  /** @returns `null` when the line can not even begin in this part */
  #cutInLine(line: LongLine, room: number): Cut | null {
    const folded = this.#fold(line, room);
    if (folded !== null) return folded;
    const over = ({ body, shown }: Cut) => body.length + closingOf(shown).length - room;
    let best = this.#cutLineAt(line, Math.min(line.end, this.#at + room));
    while (over(best) > 0 && best.end > line.at) best = this.#cutLineAt(line, best.end - over(best));
    if (best.end <= line.at) return null;
    const nicerOnes = [this.#sentenceEnd(line, best.end), this.#space(line, best.end)];
    for (const nicer of [...nicerOnes, wholeCharacters(this.#text, best.end)]) {
      const cut = this.#cutLineAt(line, nicer);
      if (nicer > line.at && nicer - this.#at >= this.#least && over(cut) <= 0) return cut;
    }
    return isPair(this.#text, best.end) ? this.#cutLineAt(line, best.end - 1) : best;
  }

  /** The last end of a sentence before `until`, if it is late in the part and not in code; else 0. */
  #sentenceEnd({ at, before }: LongLine, until: number): number {
    const least = before === null ? Math.max(at, this.#at + this.#limit * LATE) : until;
    for (let end = until; end > least; end -= 1) {
      const sign = this.#text.charAt(end - 1);
      if ('。！？'.includes(sign) || ('.!?'.includes(sign) && this.#text[end] === ' ')) return end;
    }
    return 0;
  }

  #space({ at }: LongLine, until: number): number {
    return at + this.#text.slice(at, until + 1).lastIndexOf(' ');
  }

  #cutLineAt({ at, end, lead, before, meant }: LongLine, cut: number): Cut {
    const shown = fenceAfter(`${lead}${this.#text.slice(at, cut)}`, before);
    return { body: this.#text.slice(this.#at, cut), end: cut, shown, meant, inLineUntil: end };
  }

  /**
   * A fence so long that the one that closes it would not fit: it is folded into two lines, of which the second closes the
   * first.
   */
  #fold(line: LongLine, room: number): Cut | null {
    const { at, end, meant, before } = line;
    const most = Math.min(end, this.#at + room);
    const { shown: opened } = this.#cutLineAt(line, most);
    if (opened === null || opened === before) return null;
    const { indent, mark } = opened;
    const left = most - at - 2 * indent.length - 1;
    if (indent.length + mark.length + closingOf(opened).length <= most - at || left < 6) return null;
    const taken = Math.min(mark.length, left);
    const middle = at + indent.length + Math.floor(taken / 2);
    const cut = at + indent.length + taken;
    const body = `${this.#text.slice(this.#at, middle)}\n${indent}${this.#text.slice(middle, cut)}`;
    return { body, end: cut, shown: null, meant, inLineUntil: end };
  }

  /** Nothing of what is around it fits: the text alone. */
  #cutAnywhere({ end, meant }: LongLine, room: number): Cut {
    const cut = Math.min(end, this.#at + room);
    const whole = isPair(this.#text, cut) ? cut - 1 : cut;
    return { body: this.#text.slice(this.#at, whole), end: whole, shown: null, meant, inLineUntil: end };
  }

  #moveTo({ end, shown, meant, inLineUntil }: Cut): void {
    const isInLine = inLineUntil !== null && end < inLineUntil;
    this.#lineEnd = isInLine ? inLineUntil : null;
    this.#at = isInLine ? end : end + 1;
    this.#open = meant;
    if (meant === null) this.#skipBlank();
    else if (!isInLine && shown !== null) this.#skipClosing(closingLine(shown));
  }

  /** Outside of code, blanks between two parts mean nothing; before a fence they say how deep it stands. */
  #skipBlank(): void {
    const from = this.#at;
    let at = from;
    while (at < this.#text.length && isBlank(this.#text, at)) at += 1;
    this.#at = at;
    const lineStart = this.#text.slice(from, at).lastIndexOf('\n') + 1;
    if (this.#lineEnd !== null && lineStart === 0) return;
    this.#lineEnd = null;
    const start = from + lineStart;
    if (opensWith(this.#text.slice(start, this.#endOfLine(at))) !== null) this.#at = start;
  }

  /** The part was closed as the next line does. */
  #skipClosing(line: string): void {
    const end = this.#endOfLine(this.#at);
    if (this.#text.slice(this.#at, end).trimEnd() !== line) return;
    this.#open = null;
    this.#at = end + 1;
    this.#skipBlank();
  }
}

function closingOf(fence: Fence | null): string {
  return fence === null ? '' : `\n${closingLine(fence)}`;
}

function isBlank(text: string, at: number): boolean {
  return text.charAt(at).trim() === '';
}

/** Never between the halves of a surrogate pair, nor before a mark that belongs to the character before it. */
function wholeCharacters(text: string, from: number): number {
  const least = Math.max(1, from - LONGEST_CHARACTER);
  let at = from;
  while (at > least && joined(text, at)) at -= 1;
  if (at > least) return at;
  return isPair(text, from) ? from - 1 : from;
}

function joined(text: string, at: number): boolean {
  return (
    isPair(text, at) || /^(?:\p{M}|\p{EMod}|\u200d|\ufe0f)/u.test(text.slice(at, at + 2)) || text[at - 1] === '\u200d'
  );
}

function isPair(text: string, at: number): boolean {
  const before = text.charCodeAt(at - 1);
  const after = text.charCodeAt(at);
  return before >= 0xd800 && before <= 0xdbff && after >= 0xdc00 && after <= 0xdfff;
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
