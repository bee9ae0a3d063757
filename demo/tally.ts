/** Counts what became of messages, by what the platform's users saw. Pure: the same records give the same counts. */

/** A message somebody said to the bot. */
export interface Said {
  /** Scene and id of the conversation, such as `c2c:ann`. */
  readonly chat: string;
  /** The platform's id, which a reply names. */
  readonly messageId: string;
  /** Unique: it carries a number. */
  readonly text: string;
}

/** A message of the bot that users can see. */
export interface Seen {
  readonly chat: string;
  /** Id of the message it answers; `null` for a message of its own, as a late reply may be. */
  readonly replyTo: string | null;
  readonly text: string;
}

export interface Tally {
  readonly sent: number;
  /** Messages with at least one right answer. */
  readonly answered: number;
  /** Messages without one, in the order they were said. */
  readonly lost: readonly Said[];
  /** Those of {@link lost} that are lost for good: a later message of their conversation has its answer. */
  readonly skipped: readonly Said[];
  /** Messages answered more than once. */
  readonly doubled: readonly Said[];
  /** Messages whose first answer came after that of a later message of the same conversation. */
  readonly outOfOrder: readonly Said[];
  /** What nobody asked for: a wrong text, a wrong conversation. */
  readonly stray: readonly Seen[];
}

/**
 * @param said - oldest first
 * @param seen - in the order in which users saw it
 */
export function tally(said: readonly Said[], seen: readonly Seen[]): Tally {
  const placeOf = new Map(said.map(({ messageId }, place) => [messageId, place]));
  const placeOfText = new Map(said.map(({ chat, text }, place) => [`${chat} ${answerTo(text)}`, place]));
  const answers = new Array<number>(said.length).fill(0);
  const latestOf = new Map<string, number>();
  const outOfOrder: Said[] = [];
  const stray: Seen[] = [];
  for (const each of seen) {
    const place = each.replyTo === null ? placeOfText.get(`${each.chat} ${each.text}`) : placeOf.get(each.replyTo);
    const question = place === undefined ? undefined : said[place];
    if (place === undefined || question?.chat !== each.chat || each.text !== answerTo(question.text)) {
      stray.push(each);
      continue;
    }
    const before = answers[place] ?? 0;
    answers[place] = before + 1;
    if (before > 0) continue;
    const latest = latestOf.get(each.chat) ?? -1;
    if (place < latest) outOfOrder.push(question);
    latestOf.set(each.chat, Math.max(latest, place));
  }
  const isLost = (_: Said, place: number) => answers[place] === 0;
  return {
    sent: said.length,
    answered: answers.filter((count) => count > 0).length,
    lost: said.filter(isLost),
    skipped: said.filter((each, place) => isLost(each, place) && place < (latestOf.get(each.chat) ?? -1)),
    doubled: said.filter((_, place) => (answers[place] ?? 0) > 1),
    outOfOrder,
    stray,
  };
}

export function isClean({ lost, doubled, outOfOrder, stray }: Tally): boolean {
  return [lost, doubled, outOfOrder, stray].every(({ length }) => length === 0);
}

/** Something went wrong that no waiting can mend. */
export function isDamaged({ skipped, doubled, outOfOrder, stray }: Tally): boolean {
  return [skipped, doubled, outOfOrder, stray].some(({ length }) => length > 0);
}

/** What the echo agent makes of a text. */
function answerTo(text: string): string {
  return `echo: ${text}`;
}
