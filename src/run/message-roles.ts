/** The roles that serve the queues `turns` and `deliveries`; they scale by themselves and hold no connection. */
import type { Logger } from 'pino';
import type { Adapter } from '../adapters/adapter.ts';
import type { Config } from '../config.ts';
import type { Measurements } from '../state/measurements.ts';
import type { Safeguards } from '../state/safeguards.ts';
import { createDeliveryWorker } from '../workers/delivery-worker.ts';
import { createTurnWorker } from '../workers/turn-worker.ts';
import type { CredentialStore } from './credentials.ts';
import { liveAgent } from './live-agent.ts';
import type { LiveConfig } from './live-config.ts';
import type { Role } from './role.ts';
import type { Storage } from './storage.ts';
import { SENDERS_SOCKETS, transportsBy } from './transports.ts';

export interface MessageRoleOptions {
  readonly config: Config;
  readonly storage: Storage;
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly live: LiveConfig;
  readonly credentials: CredentialStore;
  readonly safeguards: Safeguards;
  readonly measurements: Measurements;
  readonly log: Logger;
}

export function startAgentRole(options: MessageRoleOptions): Role {
  const { config, live, storage, adapters, credentials, safeguards, measurements, log } = options;
  const worker = createTurnWorker({
    address: storage.address,
    keys: storage.keys,
    turns: storage.turns,
    deliveries: storage.deliveries,
    agent: liveAgent(live),
    adapters,
    credentialsOf: (connection) => credentials.of(connection),
    openTransport: transportsBy(config, SENDERS_SOCKETS),
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
  const { config, storage, adapters, credentials, safeguards, measurements, log } = options;
  const worker = createDeliveryWorker({
    address: storage.address,
    keys: storage.keys,
    adapters,
    credentialsOf: (connection) => credentials.of(connection),
    openTransport: transportsBy(config, SENDERS_SOCKETS),
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
