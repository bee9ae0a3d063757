/** What tests of inbound, lanes and turns share: a held connection, events, and an adapter that only splits. */
import type { Adapter, Sender } from '../../src/adapters/adapter.ts';
import { createLogger } from '../../src/log.ts';
import { type ConnectionId, connectionId, type FencingToken, type InboundEvent } from '../../src/model.ts';
import type { DesiredConnection } from '../../src/state/desired.ts';
import type { Keys } from '../../src/state/keys.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { ANY_CAPABILITIES } from './capabilities.ts';

export const QQ = connectionId('qq-main');
export const quiet = createLogger({ name: 'test', level: 'silent' });

/** Puts a lease in place as a claim would. @returns its token */
export async function grantLease(client: RedisClient, keys: Keys, id: ConnectionId = QQ): Promise<FencingToken> {
  const token = await client.hincrby(keys.connection(id).lease, 'token', 1_000);
  return token as FencingToken;
}

/** Makes the connection one that should run. */
export async function wantConnection(
  client: RedisClient,
  keys: Keys,
  change: Partial<DesiredConnection> = {},
): Promise<DesiredConnection> {
  const desired: DesiredConnection = {
    id: QQ,
    platform: 'test',
    enabled: true,
    options: {},
    lateReply: 'active',
    fingerprint: '1',
    source: 'config',
    ...change,
  };
  await client.set(keys.connection(desired.id).desired, JSON.stringify(desired));
  await client.sadd(keys.connections, desired.id);
  return desired;
}

export function message(id: string, conversation = 'c2c:ann', change: Partial<InboundEvent> = {}): InboundEvent {
  return {
    kind: 'message',
    eventId: id,
    conversation,
    sender: { id: 'ann', name: 'Ann' },
    text: `text ${id}`,
    attachments: [],
    platformAt: 1_795_341_600_000,
    receivedAt: 1_795_341_600_100,
    reply: { key: id, deadlineAt: null, quota: null, address: { msgId: id } },
    raw: `{"id":"${id}",  "content": "as\\nit came"}`,
    ...change,
  };
}

/** An event that goes to no lane. */
export function aside(kind: InboundEvent['kind'], id: string | null, text = kind as string): InboundEvent {
  return message(id ?? '', '', { kind, eventId: id, conversation: null, sender: null, text, reply: null });
}

/** Cuts at `length` UTF-16 units. */
export function splitAt(length: number): Sender['split'] {
  return (text, maxParts) => {
    const pieces: string[] = [];
    for (let i = 0; i < text.length; i += length) pieces.push(text.slice(i, i + length));
    const most = maxParts ?? pieces.length;
    return { parts: pieces.slice(0, most), overflow: pieces.slice(most) };
  };
}

/** Holds nothing and sends nothing: turns only ask it to split. */
export function splittingAdapter(length = 1_000): Adapter {
  const unused = () => {
    throw new Error('a turn neither holds nor sends');
  };
  return {
    platform: 'test',
    capabilities: { ...ANY_CAPABILITIES, maxTextLength: length },
    accountOf: () => 'test',
    hold: unused,
    createSender: () => ({ split: splitAt(length), send: unused, buckets: () => [] }),
  };
}
