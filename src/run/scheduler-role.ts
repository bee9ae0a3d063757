import type { Logger } from 'pino';
import { controllerForMany } from '../async/abort.ts';
import { systemClock } from '../async/clock.ts';
import type { Config } from '../config.ts';
import { startScheduler } from '../scheduler/scheduler.ts';
import { createQueueSettler } from '../scheduler/settle-queues.ts';
import { sweepLanes } from '../scheduler/sweep-lanes.ts';
import { staleAfter } from '../status/read.ts';
import { runAlerts } from './alerts.ts';
import type { DataMemory } from './data-memory.ts';
import { keepMinutes } from './keep-minutes.ts';
import { keepRoom } from './keep-room.ts';
import type { LiveConfig } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { RecordWatch } from './record-watch.ts';
import type { Role } from './role.ts';
import type { Storage } from './storage.ts';

export interface SchedulerRoleOptions {
  readonly config: Config;
  readonly live: LiveConfig;
  readonly storage: Storage;
  readonly identity: ProcessIdentity;
  /** Looks on at the sweeps. */
  readonly records: RecordWatch;
  readonly memory: DataMemory | null;
  readonly log: Logger;
}

export function startSchedulerRole({
  config,
  live,
  storage,
  identity,
  records,
  memory,
  log,
}: SchedulerRoleOptions): Role {
  const ended = controllerForMany();
  const { fenced, patient, keys, address, connections, turns, deliveries } = storage;
  const minutes = keepMinutes(fenced, keys, staleAfter(config.timings), log);
  const scheduler = startScheduler(
    {
      worker: identity.worker,
      incarnation: identity.incarnation,
      client: patient,
      address,
      keys,
      queue: connections,
      queues: { connections, lanes: [turns, deliveries] },
      settleQueues: createQueueSettler({ client: patient, keys, queues: [connections, turns, deliveries], log }),
      sweepLanes: (signal, sight) => sweepLanes({ redis: patient, keys, turns, deliveries, log, signal, sight }),
      onSight: (sight) => {
        minutes.saw(sight);
        records.saw(sight.connections);
        memory?.saw(sight);
      },
      timings: config.timings,
      clock: systemClock,
      log,
    },
    ended.signal,
  );
  // Beside the sweeps: neither waits for the other.
  const alerting = runAlerts({ live, storage, identity, log }, ended.signal);
  const keeping = keepRoom({ client: patient, keys, log }, ended.signal);
  return {
    name: 'scheduler',
    ready: scheduler.ready,
    async drain() {
      ended.abort();
      await Promise.all([scheduler.done, alerting, keeping]);
      await Promise.all([minutes.close(), memory?.settled()]);
    },
  };
}
