/**
 * A chat, reached through one of our own connections and its outbox, while that connection is live. News about that
 * connection's own trouble never go this way; that it is back does. What the outbox has taken is the delivery role's: it
 * keeps order and rate limits, and what fails there is a dead letter.
 */
import { TransientError } from '../../errors.ts';
import type { ConnectionId } from '../../model.ts';
import type { Keys } from '../../state/keys.ts';
import { addLaneJobs, type LaneQueue } from '../../state/lane-jobs.ts';
import { appendPartsOnce } from '../../state/outbox.ts';
import type { RedisClient } from '../../state/redis.ts';
import type { Trouble } from '../../status/chain.ts';
import type { Notification } from '../alert.ts';
import type { Sink } from './sink.ts';

export interface ChatSinkOptions {
  readonly name: string;
  readonly connection: ConnectionId;
  /** As the adapter names it, such as `chat:4711`. */
  readonly conversation: string;
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly deliveries: LaneQueue;
}

/** Every platform takes so much in one message. */
const MAX_CHARS = 1_500;
const OF_ONE_CONNECTION = new Set<Notification['rule']>(['down', 'rival', 'parked', 'flapping', 'sending']);

export function createChatSink(options: ChatSinkOptions): Sink {
  const { name, connection, conversation, client, keys, deliveries } = options;
  return {
    name,
    worksWithoutRedis: false,
    async send(notification, { status }) {
      if (isAboutItself(notification, connection)) {
        return { kind: 'skipped', reason: `it is about ${connection} itself` };
      }
      const carrier = status?.connections.find(({ id }) => id === connection);
      if (carrier?.state !== 'live') {
        throw new TransientError(
          'TRANSPORT',
          `${connection} is ${carrier?.state ?? 'unknown'}: it cannot carry the alert`,
        );
      }
      const blocked = status?.chain.troubles.find((trouble) => blocks(trouble, connection));
      if (blocked !== undefined) {
        throw new TransientError('TRANSPORT', `${connection} cannot carry the alert: ${blocked.reason}`);
      }
      // Named by the notification, and remembered for days: an attempt whose end nobody stored is not appended twice.
      const key = `alert/${notification.id}`;
      const reply = { key, deadlineAt: null, quota: null, address: null };
      const part = { id: key, conversation, text: cut(notification.text), reply, mode: 'active', whole: true } as const;
      const job = await appendPartsOnce(client, keys, connection, [part]);
      if (job !== null) await addLaneJobs(deliveries, 'out', connection, [job]);
      return { kind: 'sent' };
    },
  };
}

/** Nothing that is put into the outbox would go out. */
function blocks({ kind, link, state, connection }: Trouble, carrier: ConnectionId): boolean {
  if (state !== 'failing' || link !== 'sent') return false;
  return connection === null || (connection === carrier && kind === 'sends-failing');
}

function isAboutItself({ kind, rule, subjects }: Notification, connection: ConnectionId): boolean {
  return kind !== 'recovered' && OF_ONE_CONNECTION.has(rule) && subjects.some(({ name }) => name === connection);
}

function cut(text: string): string {
  return text.length <= MAX_CHARS ? text : `${text.slice(0, MAX_CHARS)}…`;
}
