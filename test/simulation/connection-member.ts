/** A connection worker: production's fetch loop, lease keeper, holds and pumps, with simulated clients and adapter. */

import { sleep } from '../../src/async/abort.ts';
import type { WorkerId } from '../../src/model.ts';
import { createBudget } from '../../src/state/budget.ts';
import { listWorkers, reportWorker } from '../../src/state/workers.ts';
import { createAttemptPace } from '../../src/workers/attempt-pace.ts';
import { type ConnectionWorker, startConnectionWorker } from '../../src/workers/connection-worker.ts';
import { fairShare } from '../../src/workers/fair-share.ts';
import { createInboundPump } from '../../src/workers/inbound-pump.ts';
import { LeaseKeeper } from '../../src/workers/lease-keeper.ts';
import type { HoldDeps } from '../../src/workers/tenure.ts';
import { Turnstile } from '../../src/workers/turnstile.ts';
import { credentialsWith } from '../support/credentials.ts';
import { openDirect } from '../support/direct-transport.ts';
import type { Invariants } from './invariants.ts';
import { jobSource, laneQueue } from './job-client.ts';
import { adaptersOf, type Tools } from './member-tools.ts';
import { believedLeaseMs, mutateJobId, safeguardsWith } from './mutations.ts';
import type { Member, Sim } from './sim.ts';

export function runConnections(sim: Sim, invariants: Invariants, member: Member, tools: Tools): void {
  const { settings, keys, mutation, world, server, trace } = sim;
  const { process } = member;
  const { fenced, worker, incarnation, log } = tools;
  const safeguards = safeguardsWith(mutation);
  const ended = new AbortController();
  const keeper = new LeaseKeeper({
    client: truthfulRenewals(fenced, settings.leaseMs),
    keys,
    leaseMs: believedLeaseMs(mutation, settings.leaseMs),
    renewEveryMs: settings.renewEveryMs,
    clock: process.clock,
    log,
    // Its own switch: the mutation "fencing check" is about Redis alone.
    selfFence: true,
  });
  const turns = laneQueue(tools.user('turns'), (id) => mutateJobId(mutation, id));
  const hold: HoldDeps = {
    client: fenced,
    keys,
    worker,
    incarnation,
    keeper,
    adapters: adaptersOf(sim, invariants, member),
    credentialsOf: credentialsWith(),
    openTransport: openDirect,
    budgetFor: (platform, account) => createBudget(fenced, keys, platform, account),
    turnstile: new Turnstile(),
    openPump: ({ connectionId, ...request }) => {
      const pump = createInboundPump({
        ...request,
        connection: connectionId,
        redis: fenced,
        keys,
        turns,
        safeguards,
        limits: { maxEvents: 30 },
      });
      return {
        sink: pump,
        async close() {
          pump.stop(new Error('the tenure is over'));
          await pump.jobsAdded();
        },
      };
    },
    pace: createAttemptPace(),
    timings: {
      leaseMs: settings.leaseMs,
      drainMs: settings.drainMs,
      dialTimeoutMs: settings.dialTimeoutMs,
      healthyAfterMs: 2_000,
      hostDoubtMs: 30_000,
      probeEveryMs: 5_000,
      backoff: { baseMs: 300, capMs: settings.backoffCapMs, factor: 1.3 },
    },
    clock: process.clock,
    log,
  };
  let share = settings.connections.length;
  const connections: ConnectionWorker = startConnectionWorker({
    worker,
    incarnation,
    address: { path: '' },
    keys,
    hold,
    capacity: 10,
    share: () => share,
    jobLockMs: settings.jobLockMs,
    drainMs: settings.drainMs,
    log,
    openJobs: () => jobSource(tools.user('connections'), settings.jobLockMs),
  });
  const report = async (draining: boolean) => {
    const mine = {
      roles: ['connections'],
      takes: connections.takes,
      connections: connections.held,
      capacity: 10,
      eventLoopLagMs: 0,
    };
    const seen = { presence: true, renewEveryMs: settings.renewEveryMs };
    await reportWorker(fenced, keys, worker, { ...mine, ...seen, incarnation, draining }, 3_000);
    const all = await listWorkers(fenced, keys);
    const takers = all.filter(({ draining: leaves, takes }) => !leaves && takes !== false);
    const capacities = takers.map(({ capacity }) => capacity);
    share = fairShare(settings.connections.length, capacities, 10);
  };
  void every(1_000, ended.signal, () => report(false));
  keeper.run(ended.signal).catch((error: unknown) => world.uncaught.push({ process: process.name, error }));
  announce(sim, member, `${worker}#${incarnation}`, () => keeper.lookNow());
  member.drain = async () => {
    trace.note(`drain ${process.name}`);
    void report(true).catch(() => undefined);
    await connections.drain('deploy');
    ended.abort();
    world.in(0, null, () => process.die());
  };
  server.onRestart.push(() => member.flapPresence(100 + 400 * sim.random.next()));
}

/** The keeper's belief may be changed by a mutation; what Redis is asked for may not. */
function truthfulRenewals(client: Tools['fenced'], leaseMs: number): Tools['fenced'] {
  return new Proxy(client, {
    get(target, name, receiver) {
      if (name !== 'evalsha') return Reflect.get(target, name, receiver);
      return (sha: string, count: number, ...rest: string[]) => {
        rest[count] = String(leaseMs);
        return target.evalsha(sha, count, ...rest);
      };
    },
  });
}

/** The subscription by which others see that it lives: it ends with the process, or with its connection. */
function announce(sim: Sim, member: Member, name: string, onPoke: () => void): void {
  const { world, server, keys, random } = sim;
  const { process, toRedis } = member;
  const channel = keys.presence(name as WorkerId);
  const listen = () => void world.in(1, process, onPoke);
  const subscribe = () => {
    const all = server.subscribers.get(channel) ?? new Set();
    server.subscribers.set(channel, all.add(listen));
  };
  const leave = () => server.subscribers.get(channel)?.delete(listen);
  const rejoin = () => {
    if (toRedis.isCut) world.at(toRedis.cutUntil + 50, process, rejoin);
    else subscribe();
  };
  subscribe();
  server.connected.add(name);
  member.flapPresence = (ms) => {
    leave();
    world.in(ms, process, rejoin);
  };
  // Behind a cut nobody hears the kernel say that the process is gone.
  const end = () => {
    leave();
    server.connected.delete(name);
  };
  process.onDeath(() => world.at(Math.max(world.now + random.between(1, 10), toRedis.cutUntil), null, end));
}

async function every(ms: number, signal: AbortSignal, run: () => Promise<void>): Promise<void> {
  while (!signal.aborted) {
    await run().catch(() => undefined);
    await sleep(ms, { signal }).catch(() => undefined);
  }
}
