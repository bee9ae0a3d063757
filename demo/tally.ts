/**
 * Counts what became of messages on one platform, by what its users saw. Pure: the same records give the same counts.
 */

/** A message somebody said to the bot. */
export interface Said {
  /** The conversation, such as `c2c:ann`. */
  readonly chat: string;
  /** The platform's id, which a reply names; unique over all conversations. */
  readonly messageId: string;
  /** Unique: it carries a number. */
  readonly text: string;
}

/** A message of the bot that users can see. */
export interface Seen {
  readonly chat: string;
  /** Id of the message it answers; `null` where it names none. */
  readonly replyTo: string | null;
  readonly text: string;
}

export interface Tally {
  readonly sent: number;
  /** Messages with at least one right answer. */
  readonly answered: number;
  /** Messages without one, of which the operator was told that their answer may have arrived or not. */
  readonly unknown: readonly Said[];
  /** Messages without one, and nobody was told; in the order they were said. */
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
 * @param told - texts of answers that are listed as dead letters with the outcome `unknown`
 */
export function tally(said: readonly Said[], seen: readonly Seen[], told: ReadonlySet<string> = new Set()): Tally {
  const placeOf = questionsOf(said);
  const answers = new Array<number>(said.length).fill(0);
  const latestOf = new Map<string, number>();
  const outOfOrder: Said[] = [];
  const stray: Seen[] = [];
  const isTold = ({ text }: Said) => told.has(answerTo(text));
  for (const each of seen) {
    const place = placeOf(each);
    const question = place === undefined ? undefined : said[place];
    if (place === undefined || question === undefined) {
      stray.push(each);
      continue;
    }
    const before = answers[place] ?? 0;
    answers[place] = before + 1;
    if (before > 0) continue;
    const latest = latestOf.get(each.chat) ?? -1;
    // Nobody could wait for the one whose fate was unknown.
    if (place < latest && !isTold(question)) outOfOrder.push(question);
    latestOf.set(each.chat, Math.max(latest, place));
  }
  const isUnanswered = (_: Said, place: number) => answers[place] === 0;
  const isLost = (each: Said, place: number) => isUnanswered(each, place) && !isTold(each);
  return {
    sent: said.length,
    answered: answers.filter((count) => count > 0).length,
    unknown: said.filter((each, place) => isUnanswered(each, place) && isTold(each)),
    lost: said.filter(isLost),
    skipped: said.filter((each, place) => isLost(each, place) && place < (latestOf.get(each.chat) ?? -1)),
    doubled: said.filter((_, place) => (answers[place] ?? 0) > 1),
    outOfOrder,
    stray,
  };
}

/** @returns a function that finds the message which an answer answers: its place in `said` */
export function questionsOf(said: readonly Said[]): (seen: Seen) => number | undefined {
  const placeOf = new Map(said.map(({ messageId }, place) => [messageId, place]));
  const placeOfText = new Map(said.map(({ chat, text }, place) => [`${chat} ${answerTo(text)}`, place]));
  return ({ chat, replyTo, text }) => {
    const place = replyTo === null ? placeOfText.get(`${chat} ${text}`) : placeOf.get(replyTo);
    const question = place === undefined ? undefined : said[place];
    return question?.chat === chat && text === answerTo(question.text) ? place : undefined;
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
