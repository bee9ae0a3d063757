/**
 * A worker is known to be gone: it is taken off the list and the others are told, so that their fair shares grow at
 * once. Without this the connections of a dead worker would wait until its last report has aged out.
 */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import { poke } from './presence.ts';
import type { RedisClient } from './redis.ts';
import { forgetWorker, listWorkers } from './workers.ts';

/** Safe to repeat. An id that is in use again (same host and pid, another life) is left alone. */
export async function workerGone(
  client: RedisClient,
  keys: Keys,
  gone: { readonly worker: string; readonly incarnation: string | null },
): Promise<void> {
  const workers = await listWorkers(client, keys);
  const listed = workers.find(({ id }) => id === gone.worker);
  if (listed !== undefined && listed.incarnation === gone.incarnation) {
    await forgetWorker(client, keys, gone.worker as WorkerId, 'died');
  }
  const others = workers.filter(({ id, roles }) => id !== gone.worker && roles.includes('connections'));
  await Promise.all(others.map(({ id, incarnation }) => poke(client, keys, `${id}#${incarnation}`)));
}
