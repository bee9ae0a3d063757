/**
 * What could not be answered or sent, kept with its text for a person to read and to try again. One stream per
 * connection, capped; scripts add to it in the same step that takes the message off its lane or outbox, so that a
 * message is always in exactly one of the two.
 */

import type { ConnectionId, JsonValue } from '../model.ts';
import { asReason } from '../text/foreign-text.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/**
 * - `rejected`: the platform refused it for good; `agent-refused`: the agent did
 * - `too-late`: its reply window, or the time we try for, is over
 * - `unknown`: it may have been delivered, and nothing protects a repeat
 * - `crashed`: handling it failed again and again, or it could not be read
 */
export type DeadLetterOutcome = 'rejected' | 'agent-refused' | 'too-late' | 'unknown' | 'crashed';

export interface NewDeadLetter {
  /** `event`: one that could not be read without harm; it is kept to be looked at, and cannot be tried again. */
  readonly kind: 'turn' | 'send' | 'event';
  readonly outcome: DeadLetterOutcome;
  readonly code: string;
  /** In words. Never a secret. */
  readonly reason: string;
  readonly text: string;
  readonly conversation: string;
  /** The whole part or messages, so that it can be tried again. */
  readonly body: JsonValue;
}

export interface DeadLetter extends NewDeadLetter {
  /** Stream id. */
  readonly id: string;
  /** Redis ms. */
  readonly at: number;
}

/** Streams keep about this many letters per connection (`MAXLEN ~`). */
export const DEAD_LETTERS_KEPT = 1000;

/** The letter as fields and values of a stream entry, for a script's `XADD`. A refusal may quote what it was sent. */
export function deadLetterFields(letter: NewDeadLetter): string[] {
  const { kind, outcome, code, text, conversation, body } = letter;
  const reason = asReason(letter.reason);
  return Object.entries({ kind, outcome, code, reason, text, conversation, body: JSON.stringify(body) }).flat();
}

/** The newest letters first. @param limit - at most this many */
export async function listDeadLetters(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  limit: number = DEAD_LETTERS_KEPT,
): Promise<DeadLetter[]> {
  const entries = await client.xrevrange(keys.connection(id).deadLetters, '+', '-', 'COUNT', limit);
  return entries.map(([entryId, fields]) => parseDeadLetter(entryId, fields));
}

function parseDeadLetter(id: string, flat: readonly string[]): DeadLetter {
  const fields = new Map<string, string>();
  for (let i = 0; i + 1 < flat.length; i += 2) fields.set(flat[i] ?? '', flat[i + 1] ?? '');
  const field = (name: string) => fields.get(name) ?? '';
  return {
    id,
    at: Number(id.split('-')[0]),
    kind: field('kind') as DeadLetter['kind'],
    outcome: field('outcome') as DeadLetter['outcome'],
    code: field('code'),
    reason: field('reason'),
    text: field('text'),
    conversation: field('conversation'),
    body: JSON.parse(field('body') || 'null') as JsonValue,
  };
}
