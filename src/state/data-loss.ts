/**
 * Redis lost its data, and whoever outlived that says so in the records of each connection: what was stored there is
 * gone, and no successor could know that there ever was something. Not a holder's write: it needs no fencing token, and
 * repeating it changes nothing.
 */
import type { ConnectionId, InboundEvent } from '../model.ts';
import { encodeEvent } from './ingest.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const script = loadScript('note-data-loss');

const WHAT_IS_GONE =
  'Redis lost its data: messages that waited for the agent, replies that were not sent yet and the position in the platform’s stream are gone';

/**
 * Writes one gap record per connection and loss, however many processes notice.
 *
 * @param name - of the data that Redis has now
 * @param noticedAt - wall clock, ms since the epoch
 * @throws the client's errors; calling again is safe
 */
export async function noteDataLoss(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  name: string,
  noticedAt: number,
): Promise<void> {
  const gap: InboundEvent = {
    kind: 'gap',
    eventId: null,
    conversation: null,
    sender: null,
    text: WHAT_IS_GONE,
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
