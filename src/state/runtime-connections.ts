/**
 * Connections that were added while Holdfast ran. Their desired records look like those of a configuration, survive
 * restarts and reloads, and never take the place of one that a configuration names.
 */
import type { ConnectionId } from '../model.ts';
import { pokeHolders } from './ask.ts';
import { type DesiredConnection, parseDesired } from './desired.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const script = loadScript('runtime-desired');

/** `put`: whether it is there already or not. */
export type WriteMode = 'add' | 'replace' | 'put';

/**
 * - `exists`: there is one of this id already
 * - `configured`: a configuration names it, and only there it can be changed
 * - `unknown`: there is none
 */
export type Written = 'added' | 'replaced' | 'removed' | 'exists' | 'configured' | 'unknown';

/** Also ends a parking, as the person who writes it has just had a look; a new one is not paused either. */
export async function writeRuntimeConnection(
  client: RedisClient,
  keys: Keys,
  connection: DesiredConnection,
  mode: WriteMode,
): Promise<Written> {
  const { id } = connection;
  const k = keys.connection(id);
  const written = (await runScript(client, script, [k.desired], [mode, JSON.stringify(connection)])) as Written;
  if (written !== 'added' && written !== 'replaced') return written;
  await client.del(k.parked, k.restarts, k.unfit, k.unfitHosts);
  if (written === 'added') await client.hdel(k.wishes, 'paused', 'pausedAt');
  await client.sadd(keys.runtimeConnections, id);
  await client.sadd(keys.connections, id);
  await pokeHolders(client, keys, [id]);
  return written;
}

/** Cursor, counters and lanes stay: should it be added again, it goes on where it was. */
export async function removeRuntimeConnection(client: RedisClient, keys: Keys, id: ConnectionId): Promise<Written> {
  const written = (await runScript(client, script, [keys.connection(id).desired], ['remove', ''])) as Written;
  if (written !== 'removed') return written;
  await client.srem(keys.connections, id);
  await client.srem(keys.runtimeConnections, id);
  await pokeHolders(client, keys, [id]);
  return written;
}

/** Only the fingerprint changes, and only while the record is the one that was read. */
export async function refreshFingerprint(
  client: RedisClient,
  keys: Keys,
  before: DesiredConnection,
  fingerprint: string,
): Promise<boolean> {
  const [was, is] = [before, { ...before, fingerprint }].map((one) => JSON.stringify(one));
  const answer = await runScript(
    client,
    script,
    [keys.connection(before.id).desired],
    ['refresh', is ?? '', was ?? ''],
  );
  if (answer !== 'replaced') return false;
  await pokeHolders(client, keys, [before.id]);
  return true;
}

export async function listRuntimeConnections(client: RedisClient, keys: Keys): Promise<DesiredConnection[]> {
  const ids = (await client.smembers(keys.runtimeConnections)) as ConnectionId[];
  if (ids.length === 0) return [];
  const records = await Promise.all(ids.map(async (id) => parseDesired(await client.get(keys.connection(id).desired))));
  return records.filter((record) => record?.source === 'runtime') as DesiredConnection[];
}
