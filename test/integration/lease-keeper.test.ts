import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FencedError } from '../../src/errors.ts';
import type { ConnectionId, FencingToken, WorkerId } from '../../src/model.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { claimLease, declareDead, parseLease, RENEWALS_AT_ONCE } from '../../src/state/leases.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { instant } from '../../src/workers/lease-clock.ts';
import { type KeptTenure, LeaseKeeper } from '../../src/workers/lease-keeper.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const LEASE_MS = 2_500;
const within = { timeout: 10_000, interval: 20 };

let client: RedisClient;
let keys: Keys;
let skewMs: number;
let ended: AbortController;
let running: Promise<void>;
let keeper: LeaseKeeper;

/** The real clock; the wall clock can be stepped. */
const clock = { now: () => Date.now() + skewMs, monotonic: () => performance.now() };

beforeEach(async () => {
  skewMs = 0;
  client = openRedis({ path: redis.server.path }, 'fenced', 'test', () => undefined);
  await new Promise<void>((resolve) => client.once('ready', () => resolve()));
  keys = createKeys(redis.prefix());
  ended = new AbortController();
  keeper = new LeaseKeeper({
    client,
    keys,
    leaseMs: LEASE_MS,
    renewEveryMs: 300,
    clock,
    log: pino({ level: 'silent' }),
    selfFence: true,
  });
  running = keeper.run(ended.signal);
});

afterEach(async () => {
  ended.abort();
  await running;
  client.disconnect();
});

async function tenure(
  name: string,
  onHeartbeat: () => void = () => undefined,
): Promise<{ kept: KeptTenure; fenced: FencedError[] }> {
  const id = name as ConnectionId;
  const claimedAt = instant(clock);
  const claimant = { worker: 'a/1' as WorkerId, incarnation: 'i', jobToken: 'a/1.i-1' };
  const claim = await claimLease(client, keys, id, claimant, LEASE_MS);
  if (claim.kind !== 'granted') throw new Error('the lease is busy');
  return keep(id, claim.token, claimedAt, onHeartbeat);
}

function keep(
  id: ConnectionId,
  token: FencingToken,
  claimedAt: KeptTenure['claimedAt'],
  onHeartbeat: () => void = () => undefined,
) {
  const fenced: FencedError[] = [];
  const kept: KeptTenure = {
    id,
    token,
    claimedAt,
    heartbeat: () => {
      onHeartbeat();
      return '{"state":"live"}';
    },
    takeChange: () => null,
    onFenced: (error) => fenced.push(error),
    onWishes: () => undefined,
  };
  keeper.keep(kept);
  return { kept, fenced };
}

const until = async (id: string) =>
  parseLease(await redis.server.client().hgetall(keys.connection(id as ConnectionId).lease)).until;

describe('the lease keeper', () => {
  it('keeps leases alive far beyond their length, several in one batch', async () => {
    const [a, b] = [await tenure('conn-a'), await tenure('conn-b')];
    const first = await until('conn-a');
    await expect.poll(async () => (await until('conn-a')) - first, within).toBeGreaterThan(2 * LEASE_MS);
    expect(await until('conn-b')).toBeGreaterThan(first + LEASE_MS);
    expect([...a.fenced, ...b.fenced]).toEqual([]);
    keeper.assertHeld(a.kept);
  });

  it('renews hundreds lot by lot, and everything else gets its turn between two of them', async () => {
    let turns = 0;
    let counting = true;
    const count = () => {
      turns += 1;
      if (counting) setImmediate(count);
    };
    const names = Array.from({ length: 2 * RENEWALS_AT_ONCE + 1 }, (_, n) => `conn-${n}`);
    const writtenIn = new Map<string, number>();
    const held = await Promise.all(names.map((name) => tenure(name, () => writtenIn.set(name, turns))));
    const first = await until('conn-0');
    setImmediate(count);
    try {
      await expect.poll(() => new Set(writtenIn.values()).size, within).toBeGreaterThanOrEqual(3);
      const turnsOf = [...writtenIn.values()];
      for (const turn of new Set(turnsOf))
        expect(turnsOf.filter((each) => each === turn).length).toBeLessThanOrEqual(RENEWALS_AT_ONCE);
      for (const name of [names.at(0), names.at(-1)])
        await expect.poll(async () => until(name ?? ''), within).toBeGreaterThan(first + LEASE_MS);
    } finally {
      counting = false;
    }
    expect(held.flatMap(({ fenced }) => fenced)).toEqual([]);
  });

  it('keeps two tenures apart that were granted the same token', async () => {
    const a = await tenure('conn-a');
    const b = keep('conn-b' as ConnectionId, a.kept.token, instant(clock));
    // conn-b was never claimed: only its own tenure may be told so.
    await expect.poll(() => b.fenced.length, within).toBe(1);
    expect(a.fenced).toEqual([]);
    expect(() => keeper.assertHeld(b.kept)).toThrow('the tenure is over');
    keeper.assertHeld(a.kept);
  });

  it('tells a holder that was overtaken (F22)', async () => {
    const { kept, fenced } = await tenure('conn-a');
    await declareDead(redis.server.client() as unknown as RedisClient, keys, kept.id, kept.token, 'judged dead');
    await expect.poll(() => fenced.length, within).toBe(1);
    expect(fenced[0]?.message).toContain('another worker took over');
    expect(() => keeper.assertHeld(kept)).toThrow();
  });

  it('tells a holder that Redis lost its data, and not that somebody took over (F37)', async () => {
    const { fenced } = await tenure('conn-a');
    await redis.server.client().flushall();
    await expect.poll(() => fenced.length, within).toBe(1);
    expect(fenced[0]?.message).toContain('lost its data');
  });

  it('stops a holder by itself before its lease can have run out, when Redis does not answer (F37)', async () => {
    const { fenced } = await tenure('conn-a');
    const runsOutAt = await until('conn-a');
    await redis.server.freeze();
    try {
      await expect.poll(() => fenced.length, within).toBe(1);
      // Nobody could renew since the freeze, so the lease in Redis ends at most one renewal after what we read.
      expect(Date.now()).toBeLessThan(runsOutAt + 300);
    } finally {
      await redis.server.thaw();
    }
  });

  it('stops a holder whose master was cut off from its replicas, given min-replicas-to-write (F37)', async () => {
    const { fenced } = await tenure('conn-a');
    const admin = redis.server.client();
    await admin.config('SET', 'min-replicas-to-write', '1');
    try {
      await expect.poll(() => fenced.length, within).toBe(1);
      const claimant = { worker: 'b/2' as WorkerId, incarnation: 'i', jobToken: 'b/2.i-1' };
      await expect(claimLease(client, keys, 'conn-a' as ConnectionId, claimant, LEASE_MS)).rejects.toMatchObject({
        cause: { message: expect.stringContaining('NOREPLICAS') },
      });
    } finally {
      await admin.config('SET', 'min-replicas-to-write', '0');
    }
  });

  it('refuses a write at once after the wall clock says that the machine slept (F24)', async () => {
    const { kept, fenced } = await tenure('conn-a');
    keeper.assertHeld(kept);
    skewMs = 60_000;
    expect(() => keeper.assertHeld(kept)).toThrow('lease not renewed');
    expect(fenced).toHaveLength(1);
  });

  it('costs nothing when Redis is away for less than the lease allows', async () => {
    const { fenced } = await tenure('conn-a');
    const before = await until('conn-a');
    await redis.server.kill();
    await redis.server.restart();
    await expect.poll(async () => (await until('conn-a')) > before, within).toBe(true);
    expect(fenced).toEqual([]);
  });
});
