/** Writes what a scheduler's sweeps see into the rings of minutes, beside the sweeps: neither waits for the other. */
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import type { SweepSight } from '../scheduler/observe.ts';
import type { Keys } from '../state/keys.ts';
import { type MinuteNote, noteMinutes } from '../state/minutes.ts';
import type { RedisClient } from '../state/redis.ts';
import { WatchedMinutes } from '../status/watched-minutes.ts';

export interface MinuteKeeper {
  /** What a sweep saw. Returns at once. */
  saw(sight: SweepSight): void;
  /** Writes what is left. Never throws. */
  close(): Promise<void>;
}

/** @param client - one whose commands end by themselves: what cannot be written is dropped */
export function keepMinutes(client: RedisClient, keys: Keys, staleAfterMs: number, log: Logger): MinuteKeeper {
  const watched = new WatchedMinutes(staleAfterMs);
  let writing = Promise.resolve();
  const write = (notes: readonly MinuteNote[]): void => {
    if (notes.length === 0) return;
    writing = writing
      .then(() => noteMinutes(client, keys, notes))
      .catch((error: unknown) => log.debug({ reason: explain(error) }, 'minutes not written'));
  };
  return {
    saw({ redisNow, connections }) {
      watched.look(redisNow, connections);
      write(watched.take(redisNow));
    },
    async close() {
      write(watched.takeAll());
      await writing;
    },
  };
}
