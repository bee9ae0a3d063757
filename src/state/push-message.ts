/**
 * A message that nobody asked for: an agent, a script or an operator has something to say in a conversation. It goes the
 * way of all replies, through the conversation's outbox, in order with them and under the same limits.
 */
import type { ConnectionId } from '../model.ts';
import { listConnectionIds, readDesired } from './desired.ts';
import type { Keys } from './keys.ts';
import { addLaneJobs, type LaneQueue } from './lane-jobs.ts';
import { appendPartsOnce } from './outbox.ts';
import type { RedisClient } from './redis.ts';

export interface PushedMessage {
  readonly connection: string;
  /** As the adapter names it, such as `chat:4711` or `c2c:OPENID`. */
  readonly conversation: string;
  readonly text: string;
  /** The same key within 7 days and the same connection: the same message, sent once. */
  readonly key: string;
}

/** `repeated`: a message with this key was taken before, and nothing was done. */
export type Pushed =
  | { readonly kind: 'queued' | 'repeated'; readonly id: string }
  | { readonly kind: 'unknown-connection' }
  /** The platform has no chats of that name. */
  | { readonly kind: 'no-chat'; readonly platform: string };

/**
 * @param isChat - whether a conversation of this name can be a chat of the platform
 * @param deliveries - wakes the outbox at once; `null`: the next sweep does, within seconds
 * @throws TransientError when Redis gave no answer or is full: to be repeated with the same key
 */
export async function pushMessage(
  client: RedisClient,
  keys: Keys,
  isChat: (platform: string, conversation: string) => boolean,
  deliveries: LaneQueue | null,
  { connection, conversation, text, key }: PushedMessage,
): Promise<Pushed> {
  const known: ConnectionId | undefined = (await listConnectionIds(client, keys)).find((id) => id === connection);
  if (known === undefined) return { kind: 'unknown-connection' };
  const platform = (await readDesired(client, keys, known))?.platform ?? '';
  if (!isChat(platform, conversation)) return { kind: 'no-chat', platform };
  const id = `push/${key}`;
  const reply = { key: id, deadlineAt: null, quota: null, address: null };
  const job = await appendPartsOnce(client, keys, known, [
    { id, conversation, text, reply, mode: 'active', whole: true },
  ]);
  if (job === null) return { kind: 'repeated', id };
  if (deliveries !== null) await addLaneJobs(deliveries, 'out', known, [job]);
  return { kind: 'queued', id };
}
