/** The roles that serve the queues `turns` and `deliveries`; they scale by themselves and hold no connection. */
import type { Logger } from 'pino';
import type { Adapter, Secrets } from '../adapters/adapter.ts';
import { createAgent } from '../agents/create-agent.ts';
import type { Config } from '../config.ts';
import type { ConnectionId } from '../model.ts';
import type { Measurements } from '../state/measurements.ts';
import type { Safeguards } from '../state/safeguards.ts';
import { createDeliveryWorker } from '../workers/delivery-worker.ts';
import { createTurnWorker } from '../workers/turn-worker.ts';
import type { Role } from './role.ts';
import type { Storage } from './storage.ts';
import { transportsBy } from './transports.ts';

export interface MessageRoleOptions {
  readonly config: Config;
  readonly storage: Storage;
  readonly adapters: ReadonlyMap<string, Adapter>;
  secretsOf(id: ConnectionId): Secrets | null;
  readonly safeguards: Safeguards;
  readonly measurements: Measurements;
  readonly log: Logger;
}

export function startAgentRole(options: MessageRoleOptions): Role {
  const { config, storage, adapters, secretsOf, safeguards, measurements, log } = options;
  const worker = createTurnWorker({
    address: storage.address,
    keys: storage.keys,
    turns: storage.turns,
    deliveries: storage.deliveries,
    agent: createAgent(config.agent),
    adapters,
    secretsOf,
    openTransport: transportsBy(config),
    safeguards,
    measurements,
    lockMs: config.timings.turnLockMs,
    stalledCheckMs: config.timings.stalledEveryMs,
    log,
  });
  return {
    name: 'agent',
    ready: worker.ready,
    drain: () => worker.close({ deadlineMs: config.timings.drainMs }),
  };
}

export function startDeliveryRole(options: MessageRoleOptions): Role {
  const { config, storage, adapters, secretsOf, safeguards, measurements, log } = options;
  const worker = createDeliveryWorker({
    address: storage.address,
    keys: storage.keys,
    adapters,
    secretsOf,
    openTransport: transportsBy(config),
    safeguards,
    measurements,
    lockMs: config.timings.turnLockMs,
    stalledCheckMs: config.timings.stalledEveryMs,
    log,
  });
  return {
    name: 'delivery',
    ready: worker.ready,
    drain: () => worker.close({ deadlineMs: config.timings.drainMs }),
  };
}
