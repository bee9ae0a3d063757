/**
 * A scheduler dies between any two of its writes: what it left half done, the next one finishes. Each run has a place of
 * its own in Redis with the same troubles in it, and a scheduler whose commands no longer reach Redis after so many.
 */
import { randomUUID } from 'node:crypto';
import { type ConnectionOptions, Queue, Worker } from 'bullmq';
import { pino } from 'pino';
import { beforeAll, expect, it } from 'vitest';
import { systemClock } from '../../src/async/clock.ts';
import { type ConnectionId, connectionId, type WorkerId } from '../../src/model.ts';
import { startScheduler } from '../../src/scheduler/scheduler.ts';
import { sweepLanes } from '../../src/scheduler/sweep-lanes.ts';
import { ensureJob, observeJobs } from '../../src/state/connection-jobs.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { readEvidence } from '../../src/state/evidence.ts';
import { readHistory } from '../../src/state/history.ts';
import { encodeEvent, ingest } from '../../src/state/ingest.ts';
import { createKeys } from '../../src/state/keys.ts';
import { type Claim, claimLease, declareDead } from '../../src/state/leases.ts';
import type { ConnectionJobData, LaneJobData, QueueName } from '../../src/state/queues.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { loadScript } from '../../src/state/scripts.ts';
import { lastSweep } from '../../src/state/sweeps.ts';
import { reportWorker } from '../../src/state/workers.ts';
import { useRedis } from '../support/redis.ts';
import { waitUntil } from '../support/wait-until.ts';

const redis = useRedis({ aof: false });
const DEAD = { worker: 'host/1' as WorkerId, incarnation: 'aaa' };
/** Its process is gone; of another the lease is fenced and no more; a job is missing; one has lost its data. */
const IDS = ['gone', 'half-done', 'without-job', 'phantom'].map(connectionId);
const [GONE, HALF_DONE, , PHANTOM] = IDS as [ConnectionId, ConnectionId, ConnectionId, ConnectionId];
/** Longer than any of this takes. */
const LEASE_MS = 60_000;
const TIMINGS = {
  // For so long after a restart of Redis nobody is declared dead by an absent presence.
  leaseMs: 100,
  presenceGapMs: 20,
  probeEveryMs: 60_000,
  sweepEveryMs: 50,
  stalledEveryMs: 60_000,
  turnLockMs: 4_000,
};
/** More than a scheduler needs to mend all of it; that the last of them never die is checked. */
const MOST_WRITES = 24;
/** Of Redis: they change nothing, so to die at one is to die after the write before it. */
const READS =
  /^(info|config|time|smembers|scard|lrange|z(range|revrange|card|count|rangebyscore)|h(get|getall|mget)|m?get|exists|pubsub|ping|select|client|hello|auth)$/;
/** Scripts that cannot write say so to Redis. */
const READING_SCRIPTS = new Set(
  ['read-many', 'count-before'].map((name) => {
    const script = loadScript(name);
    if (!script.source.startsWith('#!lua flags=no-writes')) throw new Error(`${name} may write`);
    return script.sha;
  }),
);
const isRead = ({ name, args }: { readonly name: string; readonly args: readonly unknown[] }) =>
  READS.test(name) || (/^eval(sha)?$/.test(name) && READING_SCRIPTS.has(String(args[0])));

class Place implements AsyncDisposable {
  readonly keys = createKeys(redis.prefix());
  readonly #opened: { disconnect(): void }[] = [];
  readonly #queues: Queue[] = [];
  #looking: RedisClient | undefined;

  client(name = 'test'): RedisClient {
    const client = openRedis({ path: redis.server.path }, 'queue', name, () => undefined);
    this.#opened.push(client);
    return client;
  }

  /** Over a client of ours, so that one client is all that a scheduler says to Redis. */
  queue<Data>(name: QueueName, client: RedisClient): Queue<Data> {
    const defaultJobOptions = { removeOnComplete: true, removeOnFail: true };
    const connection = client as unknown as ConnectionOptions;
    const queue = new Queue<Data>(name, { prefix: this.keys.bull, connection, defaultJobOptions });
    queue.on('error', () => undefined);
    this.#queues.push(queue);
    return queue;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.close().catch(() => undefined)));
    for (const each of this.#opened) each.disconnect();
  }

  /** As a worker that died left it, and a scheduler that died a little later. */
  async trouble(): Promise<void> {
    const client = this.client();
    const queue = this.queue<ConnectionJobData>('connections', client);
    const record = { platform: 'test', enabled: true, options: {}, lateReply: 'drop', source: 'config' } as const;
    await applyDesired(
      client,
      this.keys,
      IDS.map((id) => ({ ...record, id, fingerprint: randomUUID() })),
      { removeOthers: false },
    );
    const load = { roles: ['connections'], connections: 2, capacity: 9, eventLoopLagMs: 0, draining: false };
    const report = { ...load, presence: true, renewEveryMs: 50 };
    await reportWorker(client, this.keys, DEAD.worker, { ...report, incarnation: DEAD.incarnation }, 60_000);
    const [, halfDone] = [await this.#held(client, queue, GONE, 1), await this.#held(client, queue, HALF_DONE, 2)];
    await declareDead(client, this.keys, HALF_DONE, halfDone.token, 'declared dead by somebody who then died');
    await client.hset(queue.toKey(PHANTOM), 'timestamp', '1');
    await client.lpush(queue.toKey('wait'), PHANTOM);
  }

  /** Held by the dead worker; one message is stored, and nobody was woken for it. */
  async #held(client: RedisClient, queue: Queue<ConnectionJobData>, id: ConnectionId, n: number) {
    const jobToken = `${DEAD.worker}.${DEAD.incarnation}-${n}`;
    await ensureJob(queue, id);
    const options = { autorun: false, prefix: this.keys.bull, skipStalledCheck: true, lockDuration: 60_000 };
    const jobs = new Worker('connections', null, { ...options, connection: { path: redis.server.path } });
    await jobs.getNextJob(jobToken, { block: false });
    await jobs.close(true);
    const claim = await claimLease(client, this.keys, id, { ...DEAD, jobToken }, LEASE_MS);
    if (claim.kind !== 'granted') throw new Error('the lease is busy');
    await ingest(client, this.keys, messageOf(id, claim));
    return claim;
  }

  /** @param writes - how many of its writes reach Redis before it dies. @returns whether it has died */
  scheduler(writes: number) {
    let left = writes;
    const client = this.client('holdfast:patient:host/7#ggg');
    const queue = this.queue<ConnectionJobData>('connections', client);
    const [turns, deliveries] = [
      this.queue<LaneJobData>('turns', client),
      this.queue<LaneJobData>('deliveries', client),
    ];
    const log = pino({ level: 'silent' });
    const ended = new AbortController();
    const started = (async () => {
      await Promise.all([queue, turns, deliveries].map((each) => each.waitUntilReady()));
      const send = client.sendCommand.bind(client);
      // Whatever is sent after its death is never answered.
      client.sendCommand = (command, stream) => {
        if (left >= 0 && !isRead(command)) left -= 1;
        return left < 0 ? new Promise(() => undefined) : send(command, stream);
      };
      return startScheduler(
        {
          worker: 'host/7' as WorkerId,
          incarnation: 'ggg',
          client,
          address: { path: redis.server.path },
          keys: this.keys,
          queue,
          queues: { connections: queue, lanes: [turns, deliveries] },
          sweepLanes: (signal) =>
            sweepLanes({ redis: client, keys: this.keys, turns, deliveries, log, signal, olderThanMs: 0 }),
          timings: TIMINGS,
          clock: systemClock,
          log,
          openStalledCheck: () => ({ close: async () => undefined }),
        },
        ended.signal,
      );
    })();
    return {
      hasDied: () => left < 0,
      async end() {
        ended.abort();
        await (await started).done;
      },
    };
  }

  /** What is still wrong, in words. */
  async troubles(): Promise<string[]> {
    this.#looking ??= this.client();
    const client = this.#looking;
    const [queue, turns] = [this.queue<ConnectionJobData>('connections', client), this.queue('turns', client)];
    const [evidence, jobs, waiting] = await Promise.all([
      readEvidence(client, this.keys, IDS),
      observeJobs(client, queue, IDS),
      turns.getWaiting(),
    ]);
    const histories = await Promise.all(IDS.map((id) => readHistory(client, this.keys, id, 50)));
    const listed = await client.lrange(queue.toKey('wait'), 0, -1);
    return [
      ...evidence.flatMap(({ id, lease }) => (lease.owner === null ? [] : [`${id} is held by ${lease.owner}`])),
      ...[...jobs].flatMap(([id, { place, lockToken, intact }]) =>
        place === 'waiting' && lockToken === null && intact ? [] : [`the job of ${id} is ${place}`],
      ),
      ...(listed.toSorted().join() === [...IDS].toSorted().join() ? [] : [`in the queue are ${listed.join()}`]),
      ...histories.flatMap((entries, n) => {
        const count = entries.filter(({ what }) => what === 'declared-dead').length;
        return count === (n < 2 ? 1 : 0) ? [] : [`${IDS[n]} was declared dead ${count} times`];
      }),
      ...(waiting.length === 2 ? [] : [`${waiting.length} lanes are awake`]),
      ...((await lastSweep(client, this.keys)) === null ? ['nobody has swept'] : []),
    ];
  }
}

function messageOf(connection: ConnectionId, { token }: Extract<Claim, { kind: 'granted' }>) {
  const id = randomUUID();
  const event = {
    kind: 'message' as const,
    eventId: id,
    conversation: 'chat:1',
    sender: null,
    text: 'hello',
    attachments: [],
    platformAt: null,
    receivedAt: Date.now(),
    reply: null,
    raw: '{}',
  };
  return {
    ...{ connection, token, writer: id, from: 0, startCursor: null },
    items: [encodeEvent(connection, event, null)],
    ...{ dedupeWindowMs: 60_000, maxPendingBytes: 1_000_000, instanceFull: false, safeguards: ALL_SAFEGUARDS },
  };
}

async function mended(place: Place): Promise<void> {
  let troubles: readonly string[] = [];
  await waitUntil(
    'all to be mended',
    async () => {
      troubles = await place.troubles();
      return troubles.length === 0;
    },
    { timeoutMs: 20_000, everyMs: 50, explain: () => troubles.join('\n') },
  );
}

// Scripts that Redis does not know yet take two commands instead of one.
beforeAll(async () => {
  await using place = new Place();
  await place.trouble();
  const scheduler = place.scheduler(Infinity);
  await mended(place);
  await scheduler.end();
});

it('whatever write a scheduler dies at, the next one finishes what it left, and nothing is done twice (F06)', async () => {
  const run = async (writes: number): Promise<boolean> => {
    await using place = new Place();
    await place.trouble();
    const first = place.scheduler(writes);
    await waitUntil(
      'its death, or its work to be done',
      async () => first.hasDied() || (await place.troubles()).length === 0,
      {
        timeoutMs: 20_000,
      },
    );
    const died = first.hasDied();
    const second = place.scheduler(Infinity);
    await mended(place);
    await Promise.all([first.end(), second.end()]);
    expect(await place.troubles()).toEqual([]);
    return died;
  };
  const died = await Promise.all(Array.from({ length: MOST_WRITES }, (_, writes) => run(writes)));
  // Every step was died at, and the last runs had none left.
  const steps = died.lastIndexOf(true) + 1;
  expect(steps).toBeGreaterThan(6);
  expect(died.slice(0, steps)).toEqual(Array(steps).fill(true));
  expect(steps).toBeLessThan(MOST_WRITES);
});
