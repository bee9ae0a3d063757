/** The wish to hold a connection outlives the data of Redis, and no removal. */
import { pino } from 'pino';
import { expect, it } from 'vitest';
import type { ConnectionId } from '../../src/model.ts';
import { keepDesired, writeDesired } from '../../src/run/keep-desired.ts';
import { applyDesired, listConnectionIds } from '../../src/state/desired.ts';
import { decodeEntry } from '../../src/state/ingest.ts';
import { createKeys } from '../../src/state/keys.ts';
import { connection } from '../support/observed.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const within = { timeout: 10_000, interval: 20 };

function prepare() {
  const client = redis.server.client();
  const keys = createKeys(redis.prefix());
  const { desired } = connection();
  if (desired === null) throw new Error('the observed connection is desired');
  const lines: string[] = [];
  const log = pino({ level: 'error' }, { write: (line: string) => lines.push(line) });
  return { client, keys, wanted: [desired], ids: [desired.id] as ConnectionId[], log, lines };
}

it('desired connections are written again when Redis lost its data, by each who knows some, and said once (F37)', async () => {
  const { client, keys, wanted, ids, log, lines } = prepare();
  const other = wanted.map((one) => ({ ...one, id: 'other' as ConnectionId }));
  const ended = new AbortController();
  const keepers: Promise<void>[] = [];
  for (const mine of [wanted, other]) {
    const options = {
      client,
      keys,
      wanted: () => mine,
      removes: true,
      addedAtRunTime: async () => [],
      onChange: () => () => undefined,
      log,
    };
    const name = await writeDesired({ ...options, removeOthers: false });
    keepers.push(keepDesired({ ...options, name, everyMs: 20 }, ended.signal));
  }
  await client.flushall();
  await expect.poll(() => listConnectionIds(client, keys), within).toEqual(['other', ...ids].sort());
  await expect.poll(() => lines.length, within).toBe(2);
  ended.abort();
  await Promise.all(keepers);
  expect(lines).toHaveLength(2);
  expect(lines.join()).toContain('redis.data-lost');
});

it('a gap record says that the data are gone: once per loss, however many processes notice (F37)', async () => {
  const { client, keys, wanted, ids, log, lines } = prepare();
  const at = keys.connection(ids[0] as ConnectionId);
  const ended = new AbortController();
  const options = {
    client,
    keys,
    wanted: () => wanted,
    removes: true,
    addedAtRunTime: async () => [],
    onChange: () => () => undefined,
    log,
  };
  const keepers: Promise<void>[] = [];
  for (let n = 0; n < 3; n += 1) {
    const name = await writeDesired({ ...options, removeOthers: false });
    keepers.push(keepDesired({ ...options, name, everyMs: 20 }, ended.signal));
  }
  expect(await client.hget(at.counters, 'gaps')).toBeNull();
  for (const losses of [1, 2]) {
    await client.flushall();
    await expect.poll(() => lines.length, within).toBe(losses * keepers.length);
    // What was counted before is lost as well.
    expect(await client.hget(at.counters, 'gaps')).toBe('1');
    const records = await client.xrange(at.records, '-', '+');
    expect(records).toHaveLength(1);
    const [, fields = []] = records[0] ?? [];
    expect(fields.slice(0, 3)).toEqual(['kind', 'gap', 'entry']);
    expect(decodeEntry(fields[3] ?? '')).toMatchObject({ kind: 'gap', text: expect.stringContaining('lost its data') });
  }
  ended.abort();
  await Promise.all(keepers);
});

it('a connection that was removed on purpose stays removed', async () => {
  const { client, keys, wanted, log, lines } = prepare();
  const ended = new AbortController();
  const options = {
    client,
    keys,
    wanted: () => wanted,
    removes: true,
    addedAtRunTime: async () => [],
    onChange: () => () => undefined,
    log,
  };
  const name = await writeDesired({ ...options, removeOthers: true });
  let looks = 0;
  const counting = new Proxy(client, {
    get(target, property) {
      if (property === 'get') looks += 1;
      const value = Reflect.get(target, property) as unknown;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const keeping = keepDesired({ ...options, client: counting, name, everyMs: 20 }, ended.signal);
  await applyDesired(client, keys, [], { removeOthers: true });
  const removedAfter = looks;
  await expect.poll(() => looks, within).toBeGreaterThan(removedAfter + 3);
  expect(await listConnectionIds(client, keys)).toEqual([]);
  ended.abort();
  await keeping;
  expect(lines).toEqual([]);
});
