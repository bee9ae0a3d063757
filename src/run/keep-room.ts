/**
 * Keeps Redis from filling up with what nobody needs: each stream within its bytes, and below them when memory is short,
 * in the order of src/state/kept.ts. So a full Redis drains by itself, and junk never stops messages for good. Any number
 * of processes may do it.
 */
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import { listConnectionIds } from '../state/desired.ts';
import { keepWithin, type Trimmed } from '../state/keep-within.ts';
import { TRIMMED, type TrimmedStream, tooLittleRoom } from '../state/kept.ts';
import type { Keys } from '../state/keys.ts';
import { MemoryGauge } from '../state/memory-gauge.ts';
import type { RedisClient } from '../state/redis.ts';

/** How often memory is looked at, and how often the streams are measured while there is plenty, ms. */
const LOOK_EVERY_MS = 2_000;
const MEASURE_EVERY_MS = 60_000;

export interface KeepRoomOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly log: Logger;
}

/** Resolves when `signal` aborts; whatever goes wrong is said once and tried again. */
export async function keepRoom({ client, keys, log }: KeepRoomOptions, signal: AbortSignal): Promise<void> {
  const gauge = new MemoryGauge({ client, log: quietly(log) });
  let measuredAt = Number.NEGATIVE_INFINITY;
  let unmade = 0;
  let said: string | null = null;
  while (!signal.aborted) {
    try {
      await gauge.look();
      const due = performance.now() - measuredAt >= MEASURE_EVERY_MS;
      if (due || gauge.full) {
        const ids = await listConnectionIds(client, keys);
        if (due) {
          const words = tooLittleRoom(ids.length, gauge.maxBytes);
          if (words !== null && words !== said) log.warn({ event: 'redis.room' }, `${words}; raise it, or hold fewer`);
          said = words;
        }
        measuredAt = performance.now();
        // Dead letters only when the rest was not enough.
        unmade = gauge.full ? unmade + 1 : 0;
        const short = (stream: TrimmedStream) => gauge.full && (!stream.precious || unmade > 1);
        const bytesOf = (stream: TrimmedStream) => (short(stream) ? stream.bytesWhenShort : stream.bytes);
        tell(log, await keepWithin(client, keys, ids, TRIMMED, bytesOf), gauge.full);
      }
    } catch (error) {
      if (!signal.aborted) log.debug({ event: 'redis.room-unkept', reason: explain(error) }, 'room was not made');
    }
    await sleep(LOOK_EVERY_MS, { signal }).catch(() => undefined);
  }
}

function tell(log: Logger, trimmed: readonly Trimmed[], full: boolean): void {
  if (trimmed.length === 0) return;
  const why = full ? 'Redis is nearly full: room was made' : 'more than may be kept was trimmed';
  log.warn({ event: 'redis.trimmed', trimmed: trimmed.slice(0, 20), of: trimmed.length }, why);
}

/** The gauge of those who store says it already. */
function quietly(log: Logger): Logger {
  return log.child({}, { level: 'silent' });
}
