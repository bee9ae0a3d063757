/** A scheduler: production's loop of observe, plan and apply. */
import type { WorkerId } from '../../src/model.ts';
import { startScheduler } from '../../src/scheduler/scheduler.ts';
import { sweepLanes } from '../../src/scheduler/sweep-lanes.ts';
import { connectionQueue, laneQueue, watchedQueue } from './job-client.ts';
import type { Tools } from './member-tools.ts';
import { mutateJobId } from './mutations.ts';
import type { Settings } from './settings.ts';
import type { Sim } from './sim.ts';

export function runScheduler(
  { settings, keys, jobs, world, mutation, server }: Sim,
  { fenced, user, worker, incarnation, log }: Tools,
): void {
  const connections = user('connections');
  const { process, pipe } = connections;
  const queue = connectionQueue(connections);
  const name = (id: string) => mutateJobId(mutation, id);
  const turns = laneQueue(user('turns'), name);
  const deliveries = laneQueue(user('deliveries'), name);
  const self = `${worker}#${incarnation}`;
  const scheduler = startScheduler(
    {
      worker,
      incarnation,
      client: fenced,
      address: { path: '' },
      keys,
      queue,
      queues: {
        connections: watchedQueue(connections),
        lanes: [watchedQueue(user('turns')), watchedQueue(user('deliveries'))],
      },
      sweepLanes: (signal) => sweepLanes({ redis: fenced, keys, turns, deliveries, log, signal }),
      timings: schedulerTimings(settings),
      clock: process.clock,
      log,
      announce: () => {
        const channel = keys.presence(self as WorkerId);
        const all = server.subscribers.get(channel) ?? new Set();
        server.subscribers.set(
          channel,
          all.add(() => undefined),
        );
        server.connected.add(self);
        server.onRestart.push(() => server.subscribers.set(channel, new Set([() => undefined])));
        return { close: () => undefined };
      },
      openStalledCheck: () => {
        const check = () => void pipe.ask((server) => jobs.connections.checkStalled(server, settings.stalledEveryMs));
        const timer = setInterval(check, settings.stalledEveryMs);
        return { close: async () => clearInterval(timer) };
      },
    },
    new AbortController().signal,
  );
  scheduler.done.catch((error: unknown) => world.uncaught.push({ process: process.name, error }));
}

function schedulerTimings({ leaseMs, presenceGapMs, sweepEveryMs, stalledEveryMs, turnLockMs }: Settings) {
  return { leaseMs, presenceGapMs, sweepEveryMs, stalledEveryMs, turnLockMs, probeEveryMs: 5_000 };
}
