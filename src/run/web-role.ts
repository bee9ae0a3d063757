/** The role that answers HTTP. Its listener is opened first of all, its application loaded last: nothing waits for it. */
import { createRequire } from 'node:module';
import type { Logger } from 'pino';
import { settledWithin } from '../async/abort.ts';
import type { Config, HttpAccess } from '../config.ts';
import { ConfigError, explain } from '../errors.ts';
import type { Measurements } from '../state/measurements.ts';
import { openRedis } from '../state/redis.ts';
import type { Web } from '../web/app.ts';
import type { Access } from '../web/guard.ts';
import { type Listener, listen } from '../web/listener.ts';
import { loginLink, makeLoginCode } from '../web/login-code.ts';
import { namesChat } from './adapters.ts';
import { openAdminToken } from './admin-token.ts';
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
  measurements: Measurements,
  log: Logger,
): Promise<Listener | null> {
  if (!roles.includes('web')) return null;
  const alone = roles.length === 1;
  if (http === null) {
    if (!alone) return null;
    throw new ConfigError(['http: is switched off, and "holdfast web" does nothing else; remove "http: false"']);
  }
  try {
    const { host, port } = http;
    return await listen({ host, port, onRefused: (why) => measurements.refused(why), log });
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
  /** Working directory: the token is kept below it. */
  readonly cwd: string;
  /** This process holds connections, in itself or in its children. */
  readonly holdsConnections: boolean;
  /** Resolves when all other roles of this process are ready. */
  readonly others: Promise<unknown>;
  readonly log: Logger;
}

export function startWebRole({ config, live, storage, identity, listener, cwd, log, ...rest }: WebRoleOptions): Role {
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
    const [{ serveWeb }, { createMetrics }, access] = await Promise.all([
      import('../web/app.ts'),
      import('../metrics/metrics.ts'),
      accessBy(config.http?.access ?? { kind: 'none' }, cwd, log),
    ]);
    const { connections, turns, deliveries } = storage;
    const queues = [connections, turns, deliveries];
    const running = await serveWeb({
      listener,
      access,
      client,
      keys,
      queues: { connections, turns, deliveries },
      desk: new ConnectionDesk(client, keys, () => live.current.runtime),
      namesChat,
      timings: config.timings,
      worker: identity.worker,
      holdsConnections: rest.holdsConnections,
      started: () => othersReady,
      version: packageVersion(),
      metrics: createMetrics({ client, keys, queues, timings: config.timings, log }),
      log,
    });
    const { tokenFile } = access;
    const fields = { event: 'web', url: listener.url, token: access.token !== null, ...(tokenFile && { tokenFile }) };
    log.info(fields, `answering at ${listener.url}`);
    if (access.token !== null) offerLogin(listener.url, access.token);
    return running;
  };
  const web = start();
  return {
    name: 'web',
    ready: web.then(() => undefined),
    async drain() {
      await web.then(
        (running) => running.close(),
        () => listener.close(),
      );
      client.disconnect();
    },
  };
}

async function accessBy(
  access: HttpAccess,
  cwd: string,
  log: Logger,
): Promise<Access & { readonly tokenFile: string | null }> {
  switch (access.kind) {
    case 'configured':
      return { token: access.token, localNamesOnly: false, tokenFile: null };
    case 'made': {
      const { token, file } = await openAdminToken(cwd, log);
      return { token, localNamesOnly: true, tokenFile: file };
    }
    case 'none':
      return { token: null, localNamesOnly: true, tokenFile: null };
    default:
      return access satisfies never;
  }
}

/** Past the log, which is kept and passed on: the link opens the door. Only who sits there sees it. */
function offerLogin(url: string, token: string): void {
  if (process.stdout.isTTY !== true) return;
  const link = loginLink(url, makeLoginCode(token, Date.now()));
  process.stdout.write(`\nLog in: ${link}\n(good once, for 10 minutes; "holdfast login" prints another one)\n\n`);
}

/** From the source as well as from the bundle, the package is two folders up. */
function packageVersion(): string {
  return (createRequire(import.meta.url)('../../package.json') as { version: string }).version;
}
