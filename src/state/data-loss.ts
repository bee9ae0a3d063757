/**
 * Redis lost its data, and whoever outlived that says so in the records of each connection: what was stored there is
 * gone, and no successor could know that there ever was something. Not a holder's write: it needs no fencing token, and
 * repeating it changes nothing.
 */
import type { ConnectionId, InboundEvent } from '../model.ts';
import { redisNow } from './desired.ts';
import { encodeEvent } from './ingest.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const script = loadScript('note-data-loss');

/**
 * - `empty`: it began empty, or somebody else's process began it anew
 * - `other`: it has the data of another installation
 * - `older`: it has less than was there: an older backup
 */
export type LossKind = 'empty' | 'other' | 'older';

/** That Redis has less than was there. It stands until a person accepts it. */
export interface DataLoss {
  readonly kind: LossKind;
  /** In words. */
  readonly reason: string;
  /** Redis ms. */
  readonly at: number;
}

/** Safe to repeat: the first one stands. */
export async function noteLoss(client: RedisClient, keys: Keys, { kind, reason }: Omit<DataLoss, 'at'>): Promise<void> {
  const at = await redisNow(client);
  await client.hsetnx(keys.dataLoss, 'kind', kind);
  await client.hsetnx(keys.dataLoss, 'at', at);
  await client.hsetnx(keys.dataLoss, 'reason', reason);
}

/** @returns `null`: nothing is to be accepted. @throws the client's errors */
export async function readLoss(client: RedisClient, keys: Keys): Promise<DataLoss | null> {
  const { kind, at, reason } = await client.hgetall(keys.dataLoss);
  if (kind === undefined) return null;
  return { kind: kind as LossKind, reason: reason ?? 'Redis has less than was there', at: Number(at ?? 0) };
}

/**
 * A person says that these are the data to go on with. Safe to repeat.
 *
 * @returns what was accepted; `null` when nothing was to be
 */
export async function acceptData(client: RedisClient, keys: Keys): Promise<DataLoss | null> {
  const loss = await readLoss(client, keys);
  // First of all: whoever remembers more from before this moment has nothing to say any more.
  await client.set(keys.dataAccepted, await redisNow(client));
  await client.del(keys.dataLoss);
  return loss;
}

/** @returns when data were accepted last, Redis ms; 0: never */
export async function acceptedAt(client: RedisClient, keys: Keys): Promise<number> {
  return Number((await client.get(keys.dataAccepted)) ?? 0);
}

export const WHAT_IS_GONE =
  'Redis lost its data: messages that waited for the agent, replies that were not sent yet and the position in the platform’s stream are gone';

/**
 * Writes one gap record per connection and loss, however many processes notice.
 *
 * @param name - of the data that Redis has now, or of the loss: one of the same name is written once
 * @param text - what is gone, in words
 * @param noticedAt - wall clock, ms since the epoch
 * @throws the client's errors; calling again is safe
 */
export async function noteDataLoss(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  name: string,
  noticedAt: number,
  text: string = WHAT_IS_GONE,
): Promise<void> {
  const gap: InboundEvent = {
    kind: 'gap',
    eventId: null,
    conversation: null,
    sender: null,
    text,
    attachments: [],
    platformAt: null,
    receivedAt: noticedAt,
    reply: null,
    raw: '',
  };
  for (const id of ids) {
    const { counters, records } = keys.connection(id);
    await runScript(client, script, [counters, records], [name, encodeEvent(id, gap, null).entry]);
  }
}
