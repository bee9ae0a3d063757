/** What the simulation models instead of running (Redis commands, BullMQ) against the real thing, on random schedules. */
import { type Job, Queue, Worker } from 'bullmq';
import { describe, expect, it } from 'vitest';
import { replay } from '../simulation/differential.ts';
import { JobScripts } from '../simulation/job-queue.ts';
import { Random } from '../simulation/random.ts';
import { type Executed, loadScripts, RedisServer } from '../simulation/redis-server.ts';
import { runSeed } from '../simulation/run-seed.ts';
import { World } from '../simulation/world.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis({ aof: false });

describe('the model of Redis', () => {
  it.each([1, 2, 3, 4, 5, 6])('answers as a real Redis does to all of schedule %i', async (seed) => {
    const journal: Executed[] = [];
    await runSeed(seed, { onExecuted: (executed) => journal.push(executed) });
    const options = { prefix: redis.prefix(), ownKeys: /^sim:/ };
    const differences = await replay(redis.server.client(), journal, options);
    expect(journal.length).toBeGreaterThan(300);
    expect(differences.slice(0, 3)).toEqual([]);
  });

  it('has met every script that a schedule can use', async () => {
    // Those left out belong to operators, to metrics, alerts and the timeline, to pushes through the API, to platforms that
    // set limits or audit what is sent, to the loss of all data; and keep-within goes by what MEMORY USAGE says, which is
    // Redis's own bookkeeping and has no model.
    const others = [
      ...['append-parts', 'note-data-loss', 'pause-bucket', 'retry-letter', 'retry-send', 'yield-lane'],
      ...['read-backlog', 'lease-alerts', 'write-alerts', 'note-minutes', 'read-gaps'],
      ...['write-journal', 'runtime-desired', 'settle-audit', 'keep-within'],
    ];
    const missing = new Set(
      [...loadScripts().values()].map(({ name }) => name).filter((name) => !others.includes(name)),
    );
    for (let seed = 1; seed <= 40 && missing.size > 0; seed += 1) {
      await runSeed(seed, { onExecuted: ({ name }) => missing.delete(name) });
    }
    expect([...missing]).toEqual([]);
  });
});

/** One thing done to both queues; `token` is right or wrong. */
interface Step {
  readonly real: () => Promise<unknown>;
  readonly model: () => unknown;
}

const HOUR_MS = 3_600_000;

describe('the model of BullMQ', () => {
  it.each([1, 2, 3])('does to its lists what BullMQ does (sequence %i)', async (seed) => {
    const random = new Random(seed, 1);
    const connection = { path: redis.server.path };
    const prefix = redis.prefix();
    const keepNothing = { removeOnComplete: true, removeOnFail: true };
    const queue = new Queue('q', { prefix, connection, defaultJobOptions: keepNothing });
    const worker = new Worker('q', null, { prefix, connection, autorun: false, skipStalledCheck: true });
    await worker.waitUntilReady();
    const server = new RedisServer(new World(seed), new Map());
    const model = new JobScripts('m', 'q');
    const held = new Map<string, { job: Job; token: string }>();
    let fetches = 0;

    const drawStep = (): Step => {
      const [id, one] = held.size === 0 ? ['none', undefined] : random.pick([...held]);
      const token = random.chance(0.8) ? (one?.token ?? '') : 'somebody else';
      const name = `j${random.int(1, 6)}`;
      switch (one === undefined ? random.int(0, 3) : random.int(0, 7)) {
        case 0:
          return {
            real: () => queue.add('job', {}, { jobId: name }),
            model: () => model.add(server, name, '{}', 0, server.now),
          };
        case 1: {
          fetches += 1;
          const mine = `t${fetches}`;
          return {
            real: async () => {
              const job = await worker.getNextJob(mine, { block: false });
              if (job?.id !== undefined) held.set(job.id, { job, token: mine });
            },
            model: () => void model.fetch(server, mine, 60_000, server.now),
          };
        }
        case 2:
          return { real: () => queue.remove(name), model: () => model.remove(server, name) };
        case 3:
          return {
            real: async () => (await queue.getJob(name))?.promote(),
            model: () => {
              if (server.keyspace.call('EXISTS', [model.key(name)]) === 1) model.promote(server, name);
            },
          };
        case 4:
          return {
            real: async () => one?.job.moveToDelayed(Date.now() + HOUR_MS, token),
            model: () => model.delay(server, id, token, server.now, HOUR_MS),
          };
        case 5:
          return {
            real: async () => one?.job.moveToCompleted('', token, false),
            model: () => model.finish(server, id, token),
          };
        case 6:
          return { real: async () => one?.job.moveToWait(token), model: () => model.putBack(server, id, token) };
        default:
          return {
            real: async () =>
              expect(await worker.extendJobLocks([id], [token], 60_000)).toEqual(
                token === one?.token && (await queue.getJob(id)) ? [] : [id],
              ),
            model: () => undefined,
          };
      }
    };

    for (let n = 0; n < 150; n += 1) {
      const step = drawStep();
      const refused = await step.real().then(
        () => false,
        () => true,
      );
      expect(attempt(step.model), `step ${n}`).toBe(refused);
      const client = redis.server.client();
      const lists = async (list: string) => client.lrange(queue.toKey(list), 0, -1);
      const real = [await lists('wait'), await lists('active'), await client.zrange(queue.toKey('delayed'), '0', '-1')];
      client.disconnect();
      const mine = ['wait', 'active'].map((list) => server.keyspace.call('LRANGE', [model.key(list), '0', '-1']));
      const delayed = server.keyspace.call('ZRANGE', [model.key('delayed'), '0', '-1']);
      expect([...mine, (delayed as string[]).toSorted()], `step ${n}`).toEqual([real[0], real[1], real[2]?.toSorted()]);
      for (const [id] of held) if (!real[1]?.includes(id)) held.delete(id);
    }
    await Promise.all([queue.close(), worker.close(true)]);
  });
});

/** @returns true when it was refused */
function attempt(run: () => unknown): boolean {
  try {
    run();
    return false;
  } catch {
    return true;
  }
}
