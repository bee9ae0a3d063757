/** The dead letters of all connections as an operator sees them, and another try for one of them. */
import type { ConnectionId } from '../model.ts';
import { type DeadLetter, listDeadLetters } from './dead-letters.ts';
import { listConnectionIds, redisNow } from './desired.ts';
import type { Keys } from './keys.ts';
import { retryTurnLetter } from './lanes.ts';
import { retrySendLetter } from './outbox.ts';
import type { RedisClient } from './redis.ts';

/** Newest letters shown per connection. */
const SHOWN = 100;

/** Its keys are a stable interface: `messages dead --json` and `GET /api/messages/dead`. */
export interface DeadMessage extends Omit<DeadLetter, 'id' | 'at' | 'body'> {
  /** `<connection>/<letter>`. */
  readonly id: string;
  readonly connection: string;
  /** ISO 8601. */
  readonly at: string;
}

export async function listDeadMessages(client: RedisClient, keys: Keys): Promise<DeadMessage[]> {
  const ids = await listConnectionIds(client, keys);
  const found = await Promise.all(
    ids.map(async (id) => (await listDeadLetters(client, keys, id, SHOWN)).map((letter) => describe(id, letter))),
  );
  return found.flat();
}

function describe(connection: ConnectionId, { id, at, body: _, ...letter }: DeadLetter): DeadMessage {
  return { id: `${connection}/${id}`, connection, at: new Date(at).toISOString(), ...letter };
}

/**
 * Puts a letter back into its conversation. Waking is left to the sweep, which finds every lane that has work and no job.
 *
 * @param name - `<connection>/<letter>`
 * @returns false when there is no such letter, or it cannot be tried again
 */
export async function retryDeadMessage(client: RedisClient, keys: Keys, name: string): Promise<boolean> {
  const [connection = '', letterId = ''] = name.split('/');
  const id = (await listConnectionIds(client, keys)).find((known) => known === connection);
  if (id === undefined) return false;
  const letter = (await listDeadLetters(client, keys, id)).find((one) => one.id === letterId);
  if (letter === undefined || letter.kind === 'event') return false;
  const woken =
    letter.kind === 'turn'
      ? await retryTurnLetter(client, keys, id, letter)
      : await retrySendLetter(client, keys, id, letter, await redisNow(client));
  return woken !== null;
}
