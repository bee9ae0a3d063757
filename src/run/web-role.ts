/** The role that answers HTTP. Its listener is opened first of all, its application loaded last: nothing waits for it. */
import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import { settledWithin } from '../async/abort.ts';
import type { Config } from '../config.ts';
import { ConfigError, explain } from '../errors.ts';
import { openRedis } from '../state/redis.ts';
import type { Web } from '../web/app.ts';
import { type Listener, listen } from '../web/listener.ts';
import { ConnectionDesk } from './connection-desk.ts';
import type { LiveConfig } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Role, RoleName } from './role.ts';
import type { Storage } from './storage.ts';

/**
 * @param roles - of the process; without `web` nothing is opened
 * @returns `null` when this process answers no HTTP
 * @throws FatalError when it should and cannot: the address was asked for, or it is all this process is for
 */
export async function openListener(
  { http }: Config,
  roles: readonly RoleName[],
  log: Logger,
): Promise<Listener | null> {
  if (!roles.includes('web')) return null;
  const alone = roles.length === 1;
  if (http === null) {
    if (!alone) return null;
    throw new ConfigError(['http: is switched off, and "holdfast web" does nothing else; remove "http: false"']);
  }
  try {
    return await listen(http);
  } catch (error) {
    if (alone || http.portChosen) throw error;
    // Two installations on one machine: what matters goes on.
    log.warn(
      { event: 'web-off', host: http.host, port: http.port },
      `no status over HTTP: ${explain(error)} (the default was tried; "http: false" switches it off)`,
    );
    return null;
  }
}

/** Loading the application keeps the process busy for some 200 ms, and a takeover may be waiting for the other roles. */
const OTHERS_FIRST_MS = 1_000;

export interface WebRoleOptions {
  readonly config: Config;
  readonly live: LiveConfig;
  readonly storage: Storage;
  readonly identity: ProcessIdentity;
  readonly listener: Listener;
  /** This process holds connections, in itself or in its children. */
  readonly holdsConnections: boolean;
  /** Resolves when all other roles of this process are ready. */
  readonly others: Promise<unknown>;
  readonly log: Logger;
}

export function startWebRole({ config, live, storage, identity, listener, log, ...rest }: WebRoleOptions): Role {
  const { address, keys } = storage;
  // Of its own: a large answer for a page must not stand before the renewal of a lease.
  const client = openRedis(address, 'fenced', 'holdfast:web', (error) =>
    log.debug({ reason: explain(error) }, 'redis'),
  );
  let othersReady = false;
  rest.others.then(
    () => {
      othersReady = true;
    },
    // Whoever waits for it hears of it.
    () => undefined,
  );
  const start = async (): Promise<Web> => {
    await settledWithin(rest.others, OTHERS_FIRST_MS).catch(() => undefined);
    const [{ serveWeb }, { createMetrics }] = await Promise.all([
      import('../web/app.ts'),
      import('../metrics/metrics.ts'),
    ]);
    const { connections, turns, deliveries } = storage;
    const queues = [connections, turns, deliveries];
    return await serveWeb({
      listener,
      adminToken: config.http?.adminToken ?? null,
      client,
      keys,
      queues: { connections, turns, deliveries },
      desk: new ConnectionDesk(client, keys, () => live.current.runtime),
      timings: config.timings,
      worker: identity.worker,
      holdsConnections: rest.holdsConnections,
      started: () => othersReady,
      version: packageVersion(),
      metrics: createMetrics({ client, keys, queues, timings: config.timings, log }),
      log,
    });
  };
  const web = start();
  return {
    name: 'web',
    ready: web.then(() => {
      log.info(
        { event: 'web', url: listener.url, token: config.http?.adminToken != null },
        `answering at ${listener.url}`,
      );
    }),
    async drain() {
      await web.then(
        (running) => running.close(),
        () => listener.close(),
      );
      client.disconnect();
    },
  };
}

/** From the source as well as from the bundle, the package is two folders up. */
function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
}
