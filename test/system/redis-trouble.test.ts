/**
 * A Redis that stands still, is full, loses its data or comes back older than it was. Two workers and a scheduler: in
 * none of this may two hold the connection, and all of it ends by itself. Restarts are in redis-restart.test.ts.
 */
import { cp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, type ConversationsOptions, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, LONG, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { startRedis, type TestRedis } from '../support/redis.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const TIMINGS = { ...SCALED_TIMINGS, leaseMs: 2_000 };

class Trouble implements AsyncDisposable {
  readonly qq: QqEmulator;
  readonly redis: TestRedis;
  readonly installation: Installation;

  private constructor(qq: QqEmulator, redis: TestRedis, installation: Installation) {
    this.qq = qq;
    this.redis = redis;
    this.installation = installation;
  }

  /** Live, on one of two workers. */
  static async prepare({ heartbeatIntervalMs = 1_000, ballast = 0 } = {}): Promise<Trouble> {
    const qq = await startQq({ heartbeatIntervalMs });
    const redis = await startRedis({ appendfsync: 'always' });
    if (ballast > 0) await redis.client().set('ballast', 'x'.repeat(ballast));
    const installation = await install({
      connections: [qqConnection(qq)],
      timings: LONG ? {} : TIMINGS,
      redis: { url: redis.url, prefix: 'trouble' },
    });
    const world = new Trouble(qq, redis, installation);
    try {
      await Promise.all([
        installation.scheduler(),
        installation.worker('connections,agent,delivery'),
        installation.worker('connections,agent,delivery'),
      ]);
      await installation.live();
      return world;
    } catch (error) {
      await world[Symbol.asyncDispose]();
      throw error;
    }
  }

  get leaseMs(): number {
    return this.installation.config.timings.leaseMs;
  }

  talk(options: ConversationsOptions = {}): Conversations {
    return new Conversations(this.qq, this.qq.journal, { everyMs: 30, ...options }).start();
  }

  holder({ owner }: { readonly owner: string | null }): ServedProcess {
    const found = this.installation.processes.find(({ pid }) => owner?.endsWith(`/${pid}`));
    if (found === undefined) throw new Error(`none of our workers is ${owner}`);
    return found;
  }

  /** Lines that some process of ours has logged. */
  said(event: string): number {
    return this.installation.processes.flatMap(({ lines }) => lines).filter((line) => line.event === event).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.installation[Symbol.asyncDispose]();
    await this.redis[Symbol.asyncDispose]();
    await this.qq.close();
  }
}

describe('a Redis that stands still', () => {
  it.each(LONG ? [10_000, 60_000] : [4_000])(
    'for %i ms, longer than the lease: let go, then resumed once (F37)',
    async (ms) => {
      await using world = await Trouble.prepare();
      const { qq, redis, installation } = world;
      const people = world.talk();
      await delay(500);
      redis.freeze();
      try {
        const heldMs = await waitUntil('the holder to let go', () => qq.liveSockets() === 0, {
          timeoutMs: world.leaseMs,
        });
        await delay(ms - heldMs);
        expect(qq.liveSockets()).toBe(0);
      } finally {
        redis.thaw();
      }
      await waitUntil('a live socket', () => qq.view().live, {
        timeoutMs: 15_000,
        explain: () => installation.tails(),
      });
      await installation.live();
      await delay(500);
      const account = await people.account(30_000);
      expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
      expect(qq.journal.of('identify')).toHaveLength(1);
      expect(qq.overlap().peak).toBe(1);
      expect(installation.processes.map(({ exit }) => exit)).toEqual([null, null, null]);
    },
  );
});

describe('a Redis out of memory', () => {
  // Unread answers are no evidence, so reading may rest for two heartbeats of the platform and no longer.
  const lengths = [
    { what: 'for less than two heartbeats keeps the socket', heartbeatIntervalMs: 10_000, dials: 1 },
    { what: 'for longer lets go of the socket, and Resumes', heartbeatIntervalMs: 1_000, dials: 2 },
  ];
  it.each(LONG ? lengths : lengths.slice(0, 1))(
    '$what; events wait, leases do not, none is lost (F16, F37)',
    async ({ heartbeatIntervalMs, dials }) => {
      await using world = await Trouble.prepare({ heartbeatIntervalMs });
      const { qq, redis, installation } = world;
      const before = await installation.live();
      const admin = redis.client();
      const people = world.talk();
      await delay(500);

      await admin.config('SET', 'maxmemory', '1mb');
      await expect(admin.set('trouble:probe', '1')).rejects.toThrow('OOM');
      await delay(1.5 * world.leaseMs);
      const meanwhile = await installation.connection();
      expect(meanwhile).toMatchObject({ fencingToken: before.fencingToken, owner: before.owner });
      if (meanwhile.state !== 'live') expect(meanwhile.reason).toContain('storage is full or away');
      expect((await people.account(0)).lost.length).toBeGreaterThan(0);

      await admin.config('SET', 'maxmemory', '0');
      people.start();
      await delay(500);
      const account = await people.account(30_000);
      expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
      expect(qq.journal.of('dial')).toHaveLength(dials);
      expect(qq.overlap().peak).toBe(1);
      expect(await installation.live()).toMatchObject({ fencingToken: before.fencingToken });
    },
  );
});

describe('a holder that is killed', () => {
  /** Of other programs: beside it, our own ups and downs are small. Bytes. */
  const BALLAST = 32 << 20;

  async function leaveRoom(redis: TestRedis, fullTo: number): Promise<void> {
    const admin = redis.client();
    const used = Number(/^used_memory:(\d+)/m.exec(await admin.info('memory'))?.[1]);
    await admin.config('SET', 'maxmemory', String(Math.round(used / fullTo)));
  }

  it('while Redis has no room for messages is replaced by Resume all the same; they wait, and none is lost (F16, F37)', async () => {
    await using world = await Trouble.prepare({ heartbeatIntervalMs: 10_000, ballast: BALLAST });
    const { qq, redis, installation } = world;
    const before = await installation.live();
    const people = world.talk();
    await delay(500);
    await leaveRoom(redis, 0.9);
    await waitUntil('those who judge memory to notice', () => world.said('redis.memory') >= 3, { timeoutMs: 5_000 });
    await waitUntil('messages to wait', async () => (await people.account(0)).lost.length > 0);
    people.start();

    world.holder(before).kill('SIGKILL');
    await waitUntil('the other to resume', () => qq.journal.count('resumed') === 1, {
      timeoutMs: 2 * world.leaseMs,
      explain: () => installation.tails(),
    });
    const taken = await installation.waitFor('to be held by the other', ({ owner }) => owner !== before.owner);
    expect(taken.fencingToken).toBeGreaterThan(Number(before.fencingToken));
    await delay(world.leaseMs);
    // Renewed for longer than a lease, and still not one message more than there is room for.
    expect(await installation.connection()).toMatchObject({ owner: taken.owner, fencingToken: taken.fencingToken });
    expect((await people.account(0)).lost.length).toBeGreaterThan(10);

    await redis.client().config('SET', 'maxmemory', '0');
    people.start();
    await delay(500);
    const account = await people.account(30_000);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.journal.of('identify')).toHaveLength(1);
    expect(qq.overlap().peak).toBe(1);
  });

  it.runIf(LONG)('while Redis takes no write at all is replaced once it does (F16, F37)', async () => {
    await using world = await Trouble.prepare({ heartbeatIntervalMs: 10_000 });
    const { qq, redis, installation } = world;
    const before = await installation.live();
    const people = world.talk();
    await delay(500);
    await redis.client().config('SET', 'maxmemory', '1mb');
    world.holder(before).kill('SIGKILL');
    // BullMQ moves no job without memory: nobody can take it over, but status tells.
    await delay(2 * world.leaseMs);
    const meanwhile = await installation.connection();
    expect(meanwhile.state).not.toBe('live');
    expect(meanwhile.reason).not.toBeNull();

    await redis.client().config('SET', 'maxmemory', '0');
    await installation.live();
    const account = await people.account(30_000);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.journal.of('identify')).toHaveLength(1);
    expect(qq.overlap().peak).toBe(1);
  });
});

describe('a Redis that lost all its data', () => {
  const losses: readonly { how: string; lose(redis: TestRedis): Promise<unknown> }[] = [
    { how: 'FLUSHALL', lose: (redis) => redis.client().flushall() },
    {
      how: 'a restart on an empty disk',
      async lose(redis) {
        await redis.kill();
        await rm(join(redis.dir, 'appendonlydir'), { recursive: true });
        await redis.restart();
      },
    },
  ];
  it.each(LONG ? losses : losses.slice(0, 1))(
    'by $how: one holder, live by itself, a gap record says so, and what is said then is answered (F37)',
    async ({ lose }) => {
      await using world = await Trouble.prepare();
      const { qq, redis, installation } = world;
      const before = await installation.live();
      const heard = world.talk({ name: 'BEFORE' });
      await delay(500);
      await lose(redis);
      await waitUntil(
        'a second session',
        () => qq.journal.of('identify', ({ outcome }) => outcome === 'accepted').length === 2,
        {
          timeoutMs: 15_000,
          explain: () => installation.tails(),
        },
      );
      const after = await installation.live();
      expect(after.counters.gaps).toBe(1);
      // Not from 1 again: a token of before the loss must stay an old one.
      expect(after.fencingToken).toBeGreaterThan(Number(before.fencingToken));
      const people = world.talk({ name: 'AFTER' });
      await delay(500);
      const account = await people.account();
      expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
      // What Redis held is gone with it; nothing of it is answered twice.
      expect(await heard.account(0)).toMatchObject({ doubled: [], wrong: [] });
      expect(qq.overlap().peak).toBe(1);
      expect(world.said('redis.data-lost')).toBeGreaterThan(0);
      expect(installation.processes.map(({ exit }) => exit)).toEqual([null, null, null]);
    },
  );
});

describe('a Redis that comes back older than it was', () => {
  it('by a second: the stored cursor wins, replayed is what it lost, and nobody is answered twice (F17, F37)', async () => {
    await using world = await Trouble.prepare();
    const { qq, redis, installation } = world;
    const data = join(redis.dir, 'appendonlydir');
    const older = join(redis.dir, 'older');
    const people = world.talk();
    await delay(500);
    // What appendfsync everysec may leave after a power loss: all but the last second.
    await cp(data, older, { recursive: true });
    const answeredAtCopy = qq.journal.delivered(qq.appId).length;
    await delay(1_000);
    const answeredAtLoss = qq.journal.delivered(qq.appId).length;
    await redis.kill();
    await rm(data, { recursive: true });
    await cp(older, data, { recursive: true });
    await redis.restart();
    expect(answeredAtLoss - answeredAtCopy).toBeGreaterThan(10);

    await installation.live();
    await delay(500);
    const account = await people.account(30_000);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
    expect(qq.journal.of('identify')).toHaveLength(1);
    expect(qq.overlap().peak).toBe(1);
  });
});
