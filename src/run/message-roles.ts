/** The roles that serve the queues `turns` and `deliveries`; they scale by themselves and hold no connection. */
import type { Logger } from 'pino';
import type { Adapter } from '../adapters/adapter.ts';
import { systemClock } from '../async/clock.ts';
import type { Config } from '../config.ts';
import type { Measurements } from '../state/measurements.ts';
import type { Safeguards } from '../state/safeguards.ts';
import type { AgentReport, SendingReport } from '../state/workers.ts';
import { createDeliveryWorker } from '../workers/delivery-worker.ts';
import { SendWatch } from '../workers/send-watch.ts';
import { createTurnWorker, TURNS_AT_ONCE } from '../workers/turn-worker.ts';
import type { CredentialStore } from './credentials.ts';
import { liveAgent } from './live-agent.ts';
import type { LiveConfig } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Role } from './role.ts';
import type { Storage } from './storage.ts';
import { SENDERS_SOCKETS, transportsBy } from './transports.ts';

export interface MessageRoleOptions {
  readonly config: Config;
  readonly storage: Storage;
  readonly identity: ProcessIdentity;
  readonly adapters: ReadonlyMap<string, Adapter>;
  readonly live: LiveConfig;
  readonly credentials: CredentialStore;
  readonly safeguards: Safeguards;
  readonly measurements: Measurements;
  readonly log: Logger;
}

/** The one agent that can be configured so far. */
const AGENT_NAME = 'main';

export function startAgentRole(options: MessageRoleOptions): Role & { standing(): AgentReport } {
  const { config, live, storage, identity, adapters, credentials, safeguards, measurements, log } = options;
  const agent = liveAgent(live);
  const worker = createTurnWorker({
    address: storage.address,
    keys: storage.keys,
    turns: storage.turns,
    deliveries: storage.deliveries,
    agent,
    self: identity.presence,
    maxReplyParts: () => live.current.agent.maxReplyParts,
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
    standing: () => ({ name: AGENT_NAME, places: TURNS_AT_ONCE, ...agent.standing() }),
  };
}

export function startDeliveryRole(options: MessageRoleOptions): Role & { standing(): SendingReport[] } {
  const { config, live, storage, adapters, credentials, safeguards, measurements, log } = options;
  const watch = new SendWatch(systemClock);
  const worker = createDeliveryWorker({
    watch,
    maxReplyParts: () => live.current.agent.maxReplyParts,
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
    standing: () => watch.failing(),
  };
}
