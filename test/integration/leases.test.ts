import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { ConnectionId, FencingToken, WorkerId } from '../../src/model.ts';
import { applyDesired, readDesired, wishPaused } from '../../src/state/desired.ts';
import { readHistory } from '../../src/state/history.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { type Claim, claimLease, declareDead, endTenure, parseLease, renewLeases } from '../../src/state/leases.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { connection } from '../support/observed.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const id = 'qq-main' as ConnectionId;
const LEASE_MS = 5_000;

let client: RedisClient;
let keys: Keys;

beforeEach(async () => {
  client = openRedis({ path: redis.server.path }, 'queue', 'test', () => undefined);
  keys = createKeys(redis.prefix());
  const { desired } = connection();
  if (desired !== null) await applyDesired(client, keys, [desired], { removeOthers: false });
});
afterEach(() => client.disconnect());

const claim = (worker: string, leaseMs = LEASE_MS): Promise<Claim> =>
  claimLease(client, keys, id, { worker: worker as WorkerId, incarnation: 'i', jobToken: `${worker}.i-1` }, leaseMs);

async function granted(worker: string, leaseMs = LEASE_MS) {
  const answer = await claim(worker, leaseMs);
  if (answer.kind !== 'granted') throw new Error(`not granted: ${answer.kind}`);
  return answer;
}

const renew = (token: FencingToken) =>
  renewLeases(client, keys, [{ id, token, heartbeat: '{"state":"live"}', change: null }], LEASE_MS);
const lease = async () => parseLease(await client.hgetall(keys.connection(id).lease));
const counter = async (name: string) => Number((await client.hget(keys.connection(id).counters, name)) ?? 0);

describe('claiming', () => {
  it('refuses a second worker while the lease stands, and says how long', async () => {
    await granted('a/1');
    expect(await claim('b/2')).toMatchObject({ kind: 'busy', owner: 'a/1' });
    const second = await claim('b/2');
    expect(second.kind === 'busy' && second.leftMs > 0 && second.leftMs <= LEASE_MS).toBe(true);
  });

  it('refuses even the same worker a second lease', async () => {
    await granted('a/1');
    expect((await claim('a/1')).kind).toBe('busy');
  });

  it('grants an expired lease with a greater token, and counts the takeover (F28)', async () => {
    const first = await granted('a/1', 1);
    await expect.poll(async () => (await claim('b/2')).kind).toBe('granted');
    const after = await lease();
    expect(after.owner).toBe('b/2');
    expect(Number(after.token)).toBeGreaterThan(first.token);
    expect(await counter('takeovers')).toBe(1);
  });

  it('does not count a return to the same worker as a takeover', async () => {
    const { token } = await granted('a/1');
    await endTenure(client, keys, id, token, { end: 'released', reason: 'test' });
    await granted('a/1');
    expect(await counter('takeovers')).toBe(0);
  });

  it('keeps tokens growing when the key itself was lost', async () => {
    const first = await granted('a/1');
    await client.del(keys.connection(id).lease);
    const second = await granted('b/2');
    expect(second.token).toBeGreaterThanOrEqual(first.token);
    expect(second.token).toBeGreaterThan(1_700_000_000_000);
  });

  it('hands over the stored cursor, and tells an unreadable one from none', async () => {
    expect(await granted('a/1', 1)).toMatchObject({ cursor: null, cursorUnreadable: false });
    await client.hset(keys.connection(id).cursor, 'cursor', '{"sessionId":"s","seq":7}');
    await expect.poll(async () => await claim('b/2', 1)).toMatchObject({ cursor: { sessionId: 's', seq: 7 } });
    await client.hset(keys.connection(id).cursor, 'cursor', '{broken');
    await expect.poll(async () => await claim('c/3')).toMatchObject({ cursor: null, cursorUnreadable: true });
  });

  it('tells how long ago a lost holder was last heard of, and only then', async () => {
    const first = await granted('a/1');
    expect(first.lostForMs).toBe(null);
    await renew(first.token);
    await declareDead(client, keys, id, first.token, 'gone');
    await client.hset(keys.connection(id).lease, 'lostAt', Number((await lease()).endedAt) - 700);
    const second = await granted('b/2', 1);
    expect(second.lostForMs).toBeGreaterThanOrEqual(700);
    expect(second.lostForMs).toBeLessThan(30_000);

    // Its lease runs out, without anybody to say so.
    await expect.poll(async () => await claim('c/3')).toMatchObject({ kind: 'granted', lostForMs: expect.any(Number) });
    const { token } = await lease();
    await endTenure(client, keys, id, token as FencingToken, { end: 'released', reason: 'drained' });
    const handedOver = await granted('d/4');
    expect(handedOver.lostForMs).toBe(null);

    // The same worker again is no takeover, and a pause is no part of one.
    await declareDead(client, keys, id, handedOver.token, 'wedged');
    const again = await granted('d/4');
    expect(again.lostForMs).toBe(null);
    await declareDead(client, keys, id, again.token, 'gone');
    await wishPaused(client, keys, id, true);
    await wishPaused(client, keys, id, false);
    expect((await granted('e/5')).lostForMs).toBe(null);
  });

  it('lets exactly one of many racing workers win', async () => {
    const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => claim(`w/${n}`)));
    expect(answers.filter((answer) => answer.kind === 'granted')).toHaveLength(1);
  });
});

describe('an overtaken holder', () => {
  it('renews nothing, and its heartbeat changes nothing (F22)', async () => {
    const old = await granted('a/1', 1);
    await expect.poll(async () => (await claim('b/2')).kind).toBe('granted');
    expect(await renew(old.token)).toEqual([{ current: false, because: 'overtaken' }]);
    expect(await client.exists(keys.connection(id).heartbeat)).toBe(0);
    expect((await lease()).owner).toBe('b/2');
  });

  it('cannot end or park the tenure of its successor', async () => {
    const old = await granted('a/1', 1);
    await expect.poll(async () => (await claim('b/2')).kind).toBe('granted');
    const parked = { end: 'parked', reason: 'x', code: 'X', fingerprint: '', probeAfterMs: 1 } as const;
    expect(await endTenure(client, keys, id, old.token, parked)).toBe(false);
    expect((await lease()).owner).toBe('b/2');
    expect(await client.exists(keys.connection(id).parked)).toBe(0);
    expect(await counter('staleWrites')).toBe(1);
  });
});

describe('declaring a holder dead', () => {
  it('frees the lease at once and refuses the old token from then on', async () => {
    const { token } = await granted('a/1');
    expect(await declareDead(client, keys, id, token, 'its process ended')).toBe(true);
    expect(await renew(token)).toEqual([{ current: false, because: 'overtaken' }]);
    expect((await granted('b/2')).token).toBeGreaterThan(token);
  });

  it('does it once, however many observers there are', async () => {
    const { token } = await granted('a/1');
    const answers = await Promise.all(Array.from({ length: 5 }, () => declareDead(client, keys, id, token, 'gone')));
    expect(answers.filter(Boolean)).toHaveLength(1);
  });

  it('leaves a successor alone when the observation is old', async () => {
    const { token } = await granted('a/1');
    await declareDead(client, keys, id, token, 'gone');
    await granted('b/2');
    expect(await declareDead(client, keys, id, token, 'gone')).toBe(false);
    expect((await lease()).owner).toBe('b/2');
  });
});

describe('renewing', () => {
  it('extends many leases in one call, tells which are gone, and brings the wishes', async () => {
    const { token } = await granted('a/1');
    const other = 'qq-other' as ConnectionId;
    const answers = await renewLeases(
      client,
      keys,
      [
        { id, token, heartbeat: '{}', change: '{"state":"live"}' },
        { id: other, token, heartbeat: '{}', change: null },
      ],
      LEASE_MS,
    );
    expect(answers).toEqual([
      { current: true, wanted: true, restartWish: 0, fingerprint: 'f1' },
      { current: false, because: 'forgotten' },
    ]);
    expect((await readHistory(client, keys, id, 1))[0]).toMatchObject({ what: 'state', detail: '{"state":"live"}' });
  });

  it('tells a holder that it is no longer wanted when paused or removed', async () => {
    const { token } = await granted('a/1');
    await wishPaused(client, keys, id, true);
    expect(await renew(token)).toMatchObject([{ wanted: false }]);
    await wishPaused(client, keys, id, false);
    expect(await renew(token)).toMatchObject([{ wanted: true }]);
    await applyDesired(client, keys, [], { removeOthers: true });
    expect(await readDesired(client, keys, id)).toBeNull();
    expect(await renew(token)).toMatchObject([{ wanted: false }]);
  });
});

describe('a tenure that ends', () => {
  it('by a defect leaves in Redis when it may start again (F27)', async () => {
    const { token } = await granted('a/1');
    await endTenure(client, keys, id, token, { end: 'bug', reason: 'boom', delayMs: 60_000, countFromZero: false });
    const restarts = await client.hgetall(keys.connection(id).restarts);
    expect(restarts).toMatchObject({ count: '1', reason: 'boom' });
    expect(Number(restarts.notBefore)).toBeGreaterThan(Date.now() + 30_000);
    expect(await granted('b/2')).toMatchObject({ bugs: 1 });
  });

  it('for good parks the connection, and a second verdict keeps the first instant', async () => {
    const park = async (worker: string) => {
      const { token } = await granted(worker);
      const parked = {
        end: 'parked',
        reason: 'secret refused',
        code: 'X',
        fingerprint: 'f1',
        probeAfterMs: 9,
      } as const;
      await endTenure(client, keys, id, token, parked);
      return await client.hgetall(keys.connection(id).parked);
    };
    const first = await park('a/1');
    expect(first).toMatchObject({ reason: 'secret refused', fingerprint: 'f1' });
    expect((await park('b/2')).since).toBe(first.since);
  });
});

describe('when Redis is out of memory', () => {
  it('leases are still renewed, claimed and ended', async () => {
    await client.config('SET', 'maxmemory', '1');
    try {
      await expect(client.set(`${keys.prefix}:x`, 'y')).rejects.toThrow(/OOM/);
      const { token } = await granted('a/1');
      expect(await renew(token)).toMatchObject([{ current: true }]);
      expect(await endTenure(client, keys, id, token, { end: 'released', reason: 'test' })).toBe(true);
    } finally {
      await client.config('SET', 'maxmemory', '0');
    }
  });
});
