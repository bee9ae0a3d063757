import { describe, expect, it } from 'vitest';
import type { AttemptCause, HoldContext } from '../../src/adapters/adapter.ts';
import { FatalError, FencedError } from '../../src/errors.ts';
import type { ConnectionId } from '../../src/model.ts';
import { redisNow, wishHandoff, wishPaused, wishRestart } from '../../src/state/desired.ts';
import { readHistory } from '../../src/state/history.ts';
import { reportWorker } from '../../src/state/workers.ts';
import { healthyHold, startOneWorker, TIMINGS } from '../support/one-worker.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });
const id = 'conn-a' as ConnectionId;
const within = { timeout: 15_000, interval: 50 };

/** Until a hold is told to stop, and then not even then: an adapter that does not cooperate. */
const deaf = (context: HoldContext) => {
  context.health.live('identified');
  return new Promise<void>(() => undefined);
};

describe('a hold that ends without having been asked to', () => {
  it.each([
    ['throws', () => Promise.reject(new Error('a defect in the adapter'))],
    ['returns', () => Promise.resolve()],
  ])('is started again when it %s, and the stack is logged at ERROR (F01, F29)', async (_, defect) => {
    let holds = 0;
    await using world = await startOneWorker({
      ...place(),
      ids: [id],
      hold: (context) => {
        holds += 1;
        return holds === 1 ? defect() : healthyHold(context);
      },
    });
    await expect.poll(async () => (await world.status()).connections[0]?.state, within).toBe('unowned');
    const between = (await world.status()).connections[0];
    // P1: what is not live says when the next attempt is, and why.
    expect(between?.nextAttemptAt).not.toBeNull();
    await expect.poll(async () => (await world.status()).connections[0]?.state, within).toBe('live');
    const line = world.lines.find((one) => one.event === 'tenure-ended' && one.end === 'bug');
    expect(line).toMatchObject({ level: 50, connection: id, worker: world.worker });
    expect(JSON.stringify(line?.err)).toContain('stack');
  });

  it('leaves its restart in Redis, so that it survives the process that decided it (F27)', async () => {
    const where = place();
    const crashing = await startOneWorker({ ...where, ids: [id], hold: () => Promise.reject(new Error('boom')) });
    await expect
      .poll(async () => crashing.client.hget(crashing.keys.connection(id).restarts, 'count'), within)
      .not.toBeNull();
    // It is drawn by lot and may be a few ms: long enough to be seen, on a busy machine, too.
    const later = String((await redisNow(crashing.client)) + 3_000);
    await crashing.client.hset(crashing.keys.connection(id).restarts, 'notBefore', later);
    await crashing[Symbol.asyncDispose]();
    await using next = await startOneWorker({ ...where, ids: [id], hold: healthyHold });
    expect((await next.status()).connections[0]).toMatchObject({ state: 'unowned', reason: 'a defect ended it: boom' });
    await expect.poll(async () => (await next.status()).connections[0]?.state, within).toBe('live');
  });
});

describe('a fatal verdict', () => {
  it('parks that connection alone, is probed again, and ends with the credential (F35)', async () => {
    let secretIsGood = false;
    let probes = 0;
    await using world = await startOneWorker({
      ...place(),
      ids: ['conn-a', 'conn-b'],
      hold: (context) => {
        if (context.connectionId === 'conn-b' || secretIsGood) return healthyHold(context);
        probes += 1;
        return Promise.reject(new FatalError('CREDENTIAL_REFUSED', 'the platform refused the secret: correct it'));
      },
    });
    const states = async () => (await world.status()).connections.map((connection) => connection.state);
    await expect.poll(states, within).toEqual(['parked', 'live']);
    expect((await world.status()).connections[0]?.reason).toContain('refused the secret');
    await expect.poll(() => probes, within).toBeGreaterThan(1);
    expect(await states()).toEqual(['parked', 'live']);
    secretIsGood = true;
    await world.desire('f2');
    await expect.poll(states, within).toEqual(['live', 'live']);
    expect(await world.client.exists(world.keys.connection(id).parked)).toBe(0);
  });
});

describe('a host that the platform refuses', () => {
  it('goes to a host that the platform accepts, and is parked only when there is none (F36)', async () => {
    const where = place();
    const refusal = () =>
      Promise.reject(new FatalError('HOST_UNFIT', 'the address of this host is not on the whitelist'));
    await using refused = await startOneWorker({ ...where, ids: [id], hold: refusal, host: 'refused' });
    const now = async () => (await refused.status()).connections[0];
    await expect.poll(async () => (await now())?.state, within).toBe('parked');
    expect((await now())?.reason).toContain('not on the whitelist');

    await using other = await startOneWorker({ ...where, ids: [id], hold: healthyHold, host: 'other' });
    const roles = {
      roles: ['connections'],
      connections: 0,
      capacity: 1,
      eventLoopLagMs: 0,
      incarnation: 'x',
      draining: false,
    };
    await reportWorker(other.client, other.keys, other.worker, roles, 60_000);
    await reportWorker(refused.client, refused.keys, refused.worker, roles, 60_000);
    await wishRestart(refused.client, refused.keys, id);
    await expect.poll(async () => (await now())?.owner, within).toBe(other.worker);
    await expect.poll(async () => (await now())?.state, within).toBe('live');
  });
});

describe('a host from which nothing gets through', () => {
  /** Every attempt ends as if the network were not there. */
  const cutOff = async (context: HoldContext): Promise<never> => {
    for (let cause: AttemptCause | null = null; ; cause = { reason: 'connect ENETUNREACH', kind: 'dial' }) {
      const stop = AbortSignal.any([context.signal, context.drain]);
      await context.gate.pass(cause, { signal: stop });
      context.health.connecting('dialing', Date.now() + 1_000);
      context.health.lost('connect ENETUNREACH');
    }
  };
  const hosts = async (other: (context: HoldContext) => Promise<void>) => {
    const where = place();
    const cut = await startOneWorker({ ...where, ids: [id], hold: cutOff, host: 'cut-off' });
    const now = async () => (await cut.status()).connections[0];
    await expect.poll(async () => (await now())?.owner, within).toBe(cut.worker);
    const second = await startOneWorker({ ...where, ids: [id], hold: other, host: 'other' });
    const report = { roles: ['connections'], connections: 0, capacity: 1, eventLoopLagMs: 0, incarnation: 'x' };
    for (const { client, keys, worker } of [cut, second]) {
      await reportWorker(client, keys, worker, { ...report, draining: false }, 60_000);
    }
    return { cut, second, now };
  };

  it('hands over to another host, and says why', async () => {
    const { cut, second, now } = await hosts(healthyHold);
    try {
      await expect.poll(async () => (await now())?.owner, within).toBe(second.worker);
      await expect.poll(async () => (await now())?.state, within).toBe('live');
      const ended = cut.lines.find(({ event }) => event === 'tenure-ended');
      expect(ended).toMatchObject({
        end: 'handed-over',
        reason: expect.stringMatching(
          /nothing got through from this host for \d+ s \(connect ENETUNREACH\); another host/,
        ),
      });
    } finally {
      await Promise.all([cut[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
    }
  });

  it('does so once where the other one fares no better: the platform is away, and moving about would not help', async () => {
    const { cut, second, now } = await hosts(cutOff);
    try {
      await expect.poll(async () => (await now())?.owner, within).toBe(second.worker);
      const token = (await now())?.fencingToken;
      const until = performance.now() + 4_000;
      await expect.poll(() => performance.now() > until, within).toBe(true);
      expect(await now()).toMatchObject({ owner: second.worker, fencingToken: token });
    } finally {
      await Promise.all([cut[Symbol.asyncDispose](), second[Symbol.asyncDispose]()]);
    }
  });
});

describe('an operator', () => {
  it('pauses and resumes one connection; paused is the only deliberate end (F29)', async () => {
    await using world = await startOneWorker({ ...place(), ids: [id], hold: healthyHold });
    const state = async () => (await world.status()).connections[0]?.state;
    await expect.poll(state, within).toBe('live');
    await wishPaused(world.client, world.keys, id, true);
    await expect.poll(() => world.connectionWorker.held, within).toBe(0);
    expect(await state()).toBe('paused');
    await wishPaused(world.client, world.keys, id, false);
    await expect.poll(state, within).toBe('live');
  });

  it('restarts it: a fresh tenure with a greater token', async () => {
    await using world = await startOneWorker({ ...place(), ids: [id], hold: healthyHold });
    const token = async () => (await world.status()).connections[0]?.fencingToken ?? 0;
    await expect.poll(token, within).toBeGreaterThan(0);
    const before = await token();
    await wishRestart(world.client, world.keys, id);
    await expect.poll(token, within).toBeGreaterThan(before);
  });
});

describe('a connection that should move', () => {
  it('is handed to the worker that was wished for, with a greater token', async () => {
    const where = place();
    await using first = await startOneWorker({ ...where, ids: [id], hold: healthyHold });
    const now = async () => (await first.status()).connections[0];
    await expect.poll(async () => (await now())?.owner, within).toBe(first.worker);
    const before = (await now())?.fencingToken ?? 0;
    await using second = await startOneWorker({ ...where, ids: [id], hold: healthyHold });
    await wishHandoff(first.client, first.keys, id, { target: second.worker, avoid: first.worker });
    await expect.poll(async () => (await now())?.owner, within).toBe(second.worker);
    expect((await now())?.fencingToken).toBeGreaterThan(before);
  });

  it('stays up when the wished-for worker does not exist: the wish expires', async () => {
    await using world = await startOneWorker({ ...place(), ids: [id], hold: healthyHold });
    const now = async () => (await world.status()).connections[0];
    await expect.poll(async () => (await now())?.state, within).toBe('live');
    const before = (await now())?.fencingToken ?? 0;
    await wishHandoff(world.client, world.keys, id, { target: 'nobody/1', avoid: world.worker });
    await expect.poll(async () => ((await now())?.fencingToken ?? 0) > before, within).toBe(true);
    await expect.poll(async () => (await now())?.state, within).toBe('live');
  });

  it('moves gradually to workers that join, and no further than fair', async () => {
    const where = place();
    const ids = Array.from({ length: 8 }, (_, n) => `conn-${n}`);
    let share = 100;
    await using first = await startOneWorker({ ...where, ids, hold: healthyHold, share: () => share });
    await expect.poll(() => first.connectionWorker.held, within).toBe(8);
    share = 4;
    await using second = await startOneWorker({ ...where, ids, hold: healthyHold, share: () => share });
    await expect.poll(() => second.connectionWorker.held, within).toBe(3);
    // Hysteresis: five is one above the share, and moving that one would only swap the roles.
    expect(first.connectionWorker.held).toBe(5);
    const moved = first.lines.filter((line) => line.event === 'rebalance');
    expect(moved).toHaveLength(3);
    const times = moved.map((line) => Number(line.time));
    for (const [index, time] of times.slice(1).entries()) expect(time - (times[index] ?? 0)).toBeGreaterThan(900);
  });
});

describe('a hold that does not cooperate', () => {
  it('is left behind at the end of the drain (F28)', async () => {
    await using world = await startOneWorker({ ...place(), ids: [id], hold: deaf });
    await expect.poll(async () => (await world.status()).connections[0]?.state, within).toBe('live');
    await wishRestart(world.client, world.keys, id);
    await expect.poll(() => world.lines.filter((line) => line.event === 'claimed').length, within).toBeGreaterThan(1);
  });
});

describe('a holder that renews its lease and gets nothing done', () => {
  it.each([
    [
      'no round trip within its bound',
      'wedged: no round trip for',
      (context: HoldContext) => context.health.live('identified'),
    ],
    [
      'an attempt that is long past its own deadline',
      'wedged: connecting',
      // As if it had begun a minute and more ago.
      (context: HoldContext) => context.health.connecting('dialing', Date.now() - 61_000),
    ],
  ])('is fenced and replaced, the reason in its history: %s (F27)', async (_, reason, pretend) => {
    let holds = 0;
    let ended: unknown;
    await using world = await startOneWorker({
      ...place(),
      ids: [id],
      hold: (context) => {
        holds += 1;
        if (holds > 1) return healthyHold(context);
        context.health.maxSilence(400);
        pretend(context);
        context.signal.addEventListener('abort', () => {
          ended = context.signal.reason;
        });
        return new Promise<void>(() => undefined);
      },
    });
    const now = async () => (await world.status()).connections[0];
    await expect.poll(async () => (await now())?.fencingToken ?? 0, within).toBeGreaterThan(0);
    const before = (await now())?.fencingToken ?? 0;
    await expect.poll(() => holds, within).toBe(2);
    await expect.poll(async () => (await now())?.state, within).toBe('live');
    expect((await now())?.fencingToken).toBeGreaterThan(before);
    const judged = (await readHistory(world.client, world.keys, id, 50)).find(({ what }) => what === 'declared-dead');
    expect(judged).toMatchObject({ token: before, detail: expect.stringContaining(reason) });
    // It was told, although it would not have listened to anything else.
    await expect.poll(() => ended, within).toBeInstanceOf(FencedError);
    const told = world.lines.filter(({ event }) => event === 'declare-dead');
    expect(told).toMatchObject([{ connection: id, worker: world.worker, reason: judged?.detail }]);
    // The one that makes round trips is left alone.
    await expect.poll(async () => ((await now())?.lastRoundTripAgeMs ?? Infinity) < 400, within).toBe(true);
    expect(holds).toBe(2);
  });
});

describe('a job that nobody can run', () => {
  it('is cleared and added anew when it lost its data (phantom)', async () => {
    await using world = await startOneWorker({ ...place(), ids: [id], hold: healthyHold });
    const state = async () => (await world.status()).connections[0]?.state;
    await expect.poll(state, within).toBe('live');
    await wishPaused(world.client, world.keys, id, true);
    await expect.poll(() => world.connectionWorker.held, within).toBe(0);
    await world.client.hset(world.queue.toKey(id), 'timestamp', '1');
    await world.client.lpush(world.queue.toKey('wait'), id);
    await wishPaused(world.client, world.keys, id, false);
    await expect.poll(state, within).toBe('live');
  });

  it('is passed on by a worker without credentials, which says so in status', async () => {
    const where = place();
    await using unfit = await startOneWorker({ ...where, ids: [id], hold: healthyHold, secrets: null });
    await expect
      .poll(async () => (await unfit.status()).connections[0]?.reason, within)
      .toContain('no credentials for the connection');
    await using fit = await startOneWorker({ ...where, ids: [id], hold: healthyHold });
    await expect.poll(async () => (await fit.status()).connections[0]?.owner, within).toBe(fit.worker);
  });
});

describe('two schedulers and two workers', () => {
  it('hold each connection once (F21)', async () => {
    const where = place();
    const holders = new Map<string, number>();
    let worst = 0;
    const counting = async (context: HoldContext) => {
      const now = (holders.get(context.connectionId) ?? 0) + 1;
      holders.set(context.connectionId, now);
      worst = Math.max(worst, now);
      try {
        await healthyHold(context);
      } finally {
        holders.set(context.connectionId, (holders.get(context.connectionId) ?? 1) - 1);
      }
    };
    const ids = Array.from({ length: 20 }, (_, n) => `conn-${n}`);
    await using first = await startOneWorker({ ...where, ids, hold: counting });
    await using second = await startOneWorker({ ...where, ids, hold: counting });
    const live = async () => (await second.status()).connections.filter(({ state }) => state === 'live').length;
    await expect.poll(live, within).toBe(20);
    await first.connectionWorker.drain('a deploy');
    await expect.poll(() => second.connectionWorker.held, within).toBe(20);
    await expect.poll(live, within).toBe(20);
    const claims = () => second.lines.filter((line) => line.event === 'claimed').length;
    const claimed = claims();
    // Long enough for every lease that is not renewed to run out.
    const later = performance.now() + 2 * TIMINGS.leaseMs;
    await expect.poll(() => performance.now() > later, within).toBe(true);
    expect(claims()).toBe(claimed);
    expect(worst).toBe(1);
  });
});
