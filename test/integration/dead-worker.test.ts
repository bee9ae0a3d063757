/** A worker that held many connections is dead: what schedulers and parents do about it, each alone and both at once. */
import { randomUUID } from 'node:crypto';
import { Worker } from 'bullmq';
import { pino } from 'pino';
import { expect, it, onTestFinished } from 'vitest';
import { type ConnectionId, connectionId, type WorkerId } from '../../src/model.ts';
import { declareWorkerDead } from '../../src/run/declare-worker-dead.ts';
import { apply } from '../../src/scheduler/apply.ts';
import type { Action } from '../../src/scheduler/plan.ts';
import { ensureJob, observeJobs } from '../../src/state/connection-jobs.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { readEvidence } from '../../src/state/evidence.ts';
import { createKeys } from '../../src/state/keys.ts';
import { claimLease } from '../../src/state/leases.ts';
import { announcePresence, poke, presentWorkers } from '../../src/state/presence.ts';
import { type ConnectionJobData, openQueue } from '../../src/state/queues.ts';
import { reportWorker } from '../../src/state/workers.ts';
import { useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';

const redis = useRedis({ aof: false });
/** More than are read in one call. */
const MANY = 300;
const DEAD = { worker: 'host/1' as WorkerId, incarnation: 'aaa' };
const OTHER = { worker: 'host/2' as WorkerId, incarnation: 'bbb' };
const OTHER_NAME = `${OTHER.worker}#${OTHER.incarnation}`;
const REPORT = { roles: ['connections'], connections: 0, capacity: MANY, eventLoopLagMs: 0, draining: false };

/** A dead worker holds all, another one lives and counts how often it is told to look. */
async function deadWorker() {
  const client = redis.server.client();
  const keys = createKeys(redis.prefix());
  const address = { path: redis.server.path };
  const queue = openQueue<ConnectionJobData>('connections', keys, address, () => undefined);
  const jobs = new Worker<ConnectionJobData>('connections', null, {
    autorun: false,
    prefix: keys.bull,
    connection: address,
    skipStalledCheck: true,
  });
  onTestFinished(async () => {
    await Promise.all([queue.close(), jobs.close(true)]);
  });
  const ids = Array.from({ length: MANY }, (_, n) => connectionId(`bot-${n}`)).sort();
  const record = { platform: 'test', enabled: true, options: {}, lateReply: 'drop', source: 'config' } as const;
  await applyDesired(
    client,
    keys,
    ids.map((id) => ({ ...record, id, fingerprint: randomUUID() })),
    { removeOthers: false },
  );
  await Promise.all(ids.map((id) => ensureJob(queue, id)));
  for (let n = 0; n < MANY; n += 1) {
    const jobToken = `${DEAD.worker}.${DEAD.incarnation}-${n}`;
    const job = await jobs.getNextJob(jobToken, { block: false });
    await claimLease(client, keys, job?.id as ConnectionId, { ...DEAD, jobToken }, 60_000);
  }
  for (const { worker, incarnation } of [DEAD, OTHER]) {
    await reportWorker(client, keys, worker, { ...REPORT, incarnation }, 60_000);
  }
  let pokes = 0;
  const presence = announcePresence(
    address,
    keys,
    OTHER_NAME,
    () => {
      pokes += 1;
    },
    () => undefined,
  );
  onTestFinished(() => presence.close());
  await waitUntil('the other worker to listen', async () =>
    (await presentWorkers(client, keys, [OTHER_NAME])).has(OTHER_NAME),
  );

  // Some stand in the parent's configuration, others were added while it ran.
  const deps = { client, keys, queue, configured: ids.slice(0, MANY / 2), log: pino({ level: 'silent' }) };
  const held = await readEvidence(client, keys, ids);
  const actions = held.map(({ id, lease }): Action => {
    const token = lease.token ?? expect.fail('no lease');
    return {
      do: 'declare-dead',
      id,
      token,
      owner: DEAD.worker,
      incarnation: DEAD.incarnation,
      processGone: true,
      lockToken: lease.jobToken,
      because: 'test',
    };
  });
  const expectFree = async () => {
    expect((await readEvidence(client, keys, ids)).filter(({ lease }) => lease.owner !== null)).toEqual([]);
    const places = [...(await observeJobs(client, queue, ids)).values()];
    expect(places.filter(({ place, lockToken }) => place !== 'waiting' || lockToken !== null)).toEqual([]);
  };
  return { deps, held, actions, expectFree, pokes: () => pokes };
}

it('a sweep frees all that it held, and tells the others once', async () => {
  const { deps, held, actions, expectFree, pokes } = await deadWorker();
  expect(held.filter(({ lease }) => lease.owner === DEAD.worker)).toHaveLength(MANY);
  await apply(deps, actions);
  await expectFree();
  // What was said before our own poke has come before it.
  await poke(deps.client, deps.keys, OTHER_NAME);
  await waitUntil('our own poke', () => pokes() > 1);
  expect(pokes()).toBe(2);
});

it('its parent frees all that it held, also what it had fetched and not claimed, and may say so twice', async () => {
  const { deps, held, expectFree } = await deadWorker();
  const unclaimed = held[7]?.id ?? expect.fail('none is held');
  await deps.client.del(deps.keys.connection(unclaimed).lease);
  await declareWorkerDead(deps, DEAD, 'test');
  await expectFree();
  await declareWorkerDead(deps, DEAD, 'test');
  await expectFree();
});

it('parent and schedulers may do so at once: nothing is taken from the next owner', async () => {
  const { deps, actions, expectFree } = await deadWorker();
  await Promise.all([apply(deps, actions), declareWorkerDead(deps, DEAD, 'test'), apply(deps, actions)]);
  await expectFree();
  const jobToken = `${OTHER.worker}.${OTHER.incarnation}-1`;
  const id = actions[0]?.id ?? expect.fail('no action');
  const claim = await claimLease(deps.client, deps.keys, id, { ...OTHER, jobToken }, 60_000);
  await Promise.all([apply(deps, actions), declareWorkerDead(deps, DEAD, 'test')]);
  const [after] = await readEvidence(deps.client, deps.keys, [id]);
  expect(after?.lease).toMatchObject({ owner: OTHER.worker, token: claim.kind === 'granted' ? claim.token : null });
});
