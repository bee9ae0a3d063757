/**
 * The installation under test on emulated hosts: a connection worker on each of two, all else with Redis on a third, and
 * the platform beside them. What is cut is the link of a host, never a process.
 */
import { waitFor } from '../../demo/wait.ts';
import type { ConnectionId, FencingToken } from '../../src/model.ts';
import { type EmulatedBot, type QqEmulator, startQq } from '../../test/emulators/qq/index.ts';
import { type Installation, install } from '../../test/support/installation.ts';
import { type NetHost, NetHosts, openSockets } from '../../test/support/net-hosts.ts';
import { startRedis, type TestRedis } from '../../test/support/redis.ts';
import type { ServedProcess } from '../../test/support/served-process.ts';
import { accounts, connectionName, heartbeatIntervalMs, installationOf } from '../settings.ts';
import type { Held } from '../site.ts';

export const CONNECTIONS = 8;
/** Time for all connections to be live and at rest, ms. */
const SETTLE_MS = 90_000;
/** Nobody has dialed for so long: no handover to a worker that joined is under way, ms. */
const QUIET_MS = 1_500;

/** A host and the worker on it. */
export interface Member {
  readonly host: NetHost;
  readonly worker: ServedProcess;
}

export class HostSite implements AsyncDisposable {
  readonly qq: QqEmulator;
  readonly redis: TestRedis;
  readonly installation: Installation;
  readonly #hosts: NetHosts;
  #members: readonly Member[] = [];

  private constructor(qq: QqEmulator, redis: TestRedis, installation: Installation, hosts: NetHosts) {
    this.qq = qq;
    this.redis = redis;
    this.installation = installation;
    this.#hosts = hosts;
  }

  static async start(scaled: boolean, signal: AbortSignal): Promise<HostSite> {
    const hosts = await NetHosts.create();
    const [a, b, store] = [await hosts.add('a'), await hosts.add('b'), await hosts.add('c')];
    const [first, ...bots] = accounts(CONNECTIONS);
    const qq = await startQq({
      ...first,
      bots,
      heartbeatIntervalMs: heartbeatIntervalMs(scaled),
      host: hosts.address,
    });
    const redis = await startRedis({ appendfsync: 'always', host: store });
    const settings = installationOf(qq, scaled, CONNECTIONS);
    const installation = await install({ ...settings, redis: { url: redis.url, prefix: 'hosts' } });
    const site = new HostSite(qq, redis, installation, hosts);
    try {
      const run = (host: NetHost, ...args: string[]) => installation.startVia(host.via, ...args).ready();
      // A scheduler first: it writes down which connections there should be.
      await run(store, 'scheduler');
      await Promise.all([run(store, 'scheduler'), run(store, 'worker', '--roles', 'agent,delivery')]);
      site.#members = await Promise.all(
        [a, b].map(async (host) => ({ host, worker: await run(host, 'worker', '--roles', 'connections') })),
      );
      await site.settled(signal);
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  get bots(): EmulatedBot[] {
    return accounts(CONNECTIONS).map(({ appId }) => this.qq.bot(appId));
  }

  get members(): readonly Member[] {
    return this.#members;
  }

  /**
   * Waits until every connection is live, both workers are in touch and nothing has moved for {@link QUIET_MS}.
   *
   * @throws Error when that takes longer than {@link SETTLE_MS}
   */
  async settled(signal: AbortSignal): Promise<void> {
    await waitFor('all connections to be live and at rest, both workers in touch', SETTLE_MS, signal, async () => {
      const held = await this.held();
      const lastDial = this.qq.journal.of('dial').at(-1)?.at ?? 0;
      return held.length === CONNECTIONS && (await this.#areInTouch()) && Date.now() - lastDial > QUIET_MS;
    });
  }

  /** Who holds what, as status and platform agree on. */
  async held(): Promise<Held[]> {
    const { connections } = await this.installation.status();
    return connections.flatMap(({ id, state, owner, fencingToken }) => {
      const pid = Number(owner?.split('/').at(-1));
      const place = accounts(CONNECTIONS).findIndex((_, n) => connectionName(n) === id);
      const bot = this.bots[place];
      if (state !== 'live' || fencingToken === null || bot?.view().live !== true) return [];
      if (!this.#members.some(({ worker }) => worker.pid === pid)) return [];
      return [{ connection: id as ConnectionId, bot, pid, token: fencingToken as FencingToken }];
    });
  }

  /** Open sockets of the worker to the platform's gateway, as its own host sees them. */
  sockets({ worker }: Member): number {
    return openSockets(worker.pid, Number(new URL(this.qq.gatewayUrl).port));
  }

  /** Ends of processes that nobody asked for, in words. */
  suddenEnds(): string[] {
    return this.installation.processes
      .filter(({ exit }) => exit !== null)
      .map((each) => `${each.name} ended by itself\n${each.tail(5)}`);
  }

  async #areInTouch(): Promise<boolean> {
    const { workers } = await this.installation.status();
    return this.#members.every(({ worker }) => workers.some(({ id }) => id.endsWith(`/${worker.pid}`)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#members.map(({ host }) => host.heal()));
    try {
      await this.installation[Symbol.asyncDispose]();
    } finally {
      await this.qq.close();
      await this.redis[Symbol.asyncDispose]();
      await this.#hosts[Symbol.asyncDispose]();
    }
  }
}
