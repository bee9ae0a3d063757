/** What of a turn the agent shall see, and what is past answering. Pure. */
import type { InboundEvent } from '../model.ts';
import type { NewDeadLetter } from '../state/dead-letters.ts';
import type { DesiredConnection } from '../state/desired.ts';
import { decodeEntry } from '../state/ingest.ts';
import type { StoredMessage } from '../state/lane-entry.ts';
import type { Turn } from '../state/lanes.ts';
import { isLate } from './reply-plan.ts';

/** A message of a turn, with the entry it came from. */
export interface TurnMessage {
  readonly event: StoredMessage;
  readonly entry: string;
}

export interface SortedTurn {
  readonly messages: readonly TurnMessage[];
  readonly letters: readonly NewDeadLetter[];
}

/** A turn is started so often while the process that runs it dies, or our own code fails; then it is ended. */
export const MAX_STARTS = 3;

export function sortTurn(
  turn: Pick<Turn, 'entries' | 'crashes' | 'now'>,
  lane: string,
  lateReply: DesiredConnection['lateReply'],
): SortedTurn {
  const messages: TurnMessage[] = [];
  const letters: NewDeadLetter[] = [];
  for (const entry of turn.entries) {
    const event = readEntry(entry);
    if (event === null) {
      letters.push(
        turnLetter(lane, { event: UNREADABLE, entry }, 'crashed', 'UNREADABLE', 'the stored message cannot be read'),
      );
    } else if (turn.crashes >= MAX_STARTS) {
      const reason = `the process that ran its turn died ${turn.crashes} times`;
      letters.push(turnLetter(lane, { event, entry }, 'crashed', 'TURN_CRASHED', reason));
    } else if (isLate(event.reply, turn.now) && !sendsLate(event, lateReply)) {
      const reason = 'its reply window closed before the agent could be asked';
      letters.push(turnLetter(lane, { event, entry }, 'too-late', 'REPLY_WINDOW', reason));
    } else {
      messages.push({ event, entry });
    }
  }
  return { messages, letters };
}

/** A person who takes a message back from the dead letters wants the answer, late or not. */
export function sendsLate(event: StoredMessage, lateReply: DesiredConnection['lateReply']): boolean {
  return lateReply === 'active' || event.retried === true;
}

/**
 * Whether a reply is not worth a try any more. Else the platform judges its own window: our clock may be wrong, or have been
 * set meanwhile. But what a person takes back from the dead letters is late for sure.
 */
export function isOver(event: StoredMessage, now: number): boolean {
  return event.retried === true && isLate(event.reply, now);
}

/** One message that will not be answered. */
export function turnLetter(
  lane: string,
  { event, entry }: TurnMessage,
  outcome: NewDeadLetter['outcome'],
  code: string,
  reason: string,
): NewDeadLetter {
  const conversation = event.conversation ?? '';
  return { kind: 'turn', outcome, code, reason, text: event.text, conversation, body: { lane, entry } };
}

const UNREADABLE: InboundEvent = {
  kind: 'malformed',
  eventId: null,
  conversation: null,
  sender: null,
  text: '',
  attachments: [],
  platformAt: null,
  receivedAt: 0,
  reply: null,
  raw: '',
};

function readEntry(entry: string): StoredMessage | null {
  try {
    return decodeEntry(entry);
  } catch {
    return null;
  }
}
