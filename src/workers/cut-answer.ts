/**
 * Bounds how many messages one answer becomes: what an agent says at length, or is made to say, must not flood a chat nor
 * use up what a platform allows the bot. What is cut ends with a notice. Pure.
 */
import type { Sender } from '../adapters/adapter.ts';
import { closingLine, fenceAtEnd } from '../adapters/code-fence.ts';
import type { AgentReply } from '../agents/agent.ts';

type Splitting = Pick<Sender, 'split'>;

/** UTF-16 units: what is sent of what was said. */
export interface Shown {
  readonly shown: number;
  readonly of: number;
}

/** What cannot be sent at all is kept for a person to read, up to this, UTF-16 units. */
const LONGEST_UNSENT = 20_000;
/** Rather than being cut, a word is left out up to this, UTF-16 units. */
const LONGEST_WORD = 40;
/** A text that does not fit with its notice is tried shorter by this. */
const SHORTER = 0.9;

/**
 * @param most - parts of all replies together, at least 1
 * @returns `cut`: `null` when they are whole
 */
export function boundReplies(
  replies: readonly AgentReply[],
  sender: Splitting,
  most: number,
): { readonly replies: readonly AgentReply[]; readonly cut: Shown | null } {
  const counts = replies.map(({ to, text }) => (to.reply === null ? 0 : sender.split(text, null).parts.length));
  const kept = replies.map((reply) => (reply.to.reply === null ? withoutAddress(reply) : reply));
  const before = (index: number) => counts.slice(0, index).reduce((sum, count) => sum + count, 0);
  if (before(counts.length) <= most) return { replies: kept, cut: null };
  const last = counts.findIndex((_, index) => before(index + 1) >= most);
  const whole = kept.slice(0, last);
  const { to, text } = replies[last] as AgentReply;
  const shownBefore = lengthOf(replies.slice(0, last));
  const { text: shortened, shown } = shorten(text, sender, most - before(last), {
    shown: shownBefore,
    of: lengthOf(replies),
  });
  return { replies: [...whole, { to, text: shortened }], cut: shown };
}

/** @returns the parts of `text`, at most `most` of them. `cut`: `null` when they are all */
export function boundParts(
  text: string,
  sender: Splitting,
  most: number,
): { readonly parts: readonly string[]; readonly cut: Shown | null } {
  const { parts } = sender.split(text, null);
  if (parts.length <= most) return { parts, cut: null };
  const { text: shortened, shown } = shorten(text, sender, most, { shown: 0, of: text.length });
  return { parts: sender.split(shortened, null).parts, cut: shown };
}

/** @param before - what is shown ahead of this text, of all that was said */
function shorten(
  text: string,
  sender: Splitting,
  most: number,
  before: Shown,
): { readonly text: string; readonly shown: Shown } {
  const { parts } = sender.split(text, null);
  let length = Math.min(text.length, lengthOf(parts.slice(0, most).map((part) => ({ text: part }))));
  for (;;) {
    length = endOfWord(text, length);
    const shown = { shown: before.shown + length, of: before.of };
    const shortened = withNotice(text.slice(0, length), shown);
    if (length === 0 || sender.split(shortened, null).parts.length <= most) return { text: shortened, shown };
    length = Math.floor(length * SHORTER);
  }
}

/** The end of a word shortly before `end`; in need not inside of a surrogate pair. */
function endOfWord(text: string, end: number): number {
  if (end >= text.length) return text.length;
  const blank = text.slice(Math.max(0, end - LONGEST_WORD), end + 1).search(/\s\S*$/);
  if (blank !== -1) return Math.max(0, end - LONGEST_WORD) + blank;
  return /[\ud800-\udbff]/.test(text.charAt(end - 1)) ? end - 1 : end;
}

function withNotice(text: string, { shown, of }: Shown): string {
  const notice = `… answer cut: ${shown} of ${of} characters`;
  const open = fenceAtEnd(text);
  const end = open === null ? text.trimEnd() : `${text.trimEnd()}\n${closingLine(open)}`;
  return `${end}\n\n${notice}`.trimStart();
}

function withoutAddress({ to, text }: AgentReply): AgentReply {
  return { to, text: text.slice(0, LONGEST_UNSENT) };
}

function lengthOf(texts: readonly { readonly text: string }[]): number {
  return texts.reduce((sum, { text }) => sum + text.length, 0);
}
