/**
 * The installation under test: Redis, the emulated platform, and two of everything that Holdfast runs, so that for
 * whatever is hit another stands by and recovery means takeover, not the start of a process.
 */
import { waitFor } from '../demo/wait.ts';
import type { ConnectionId, FencingToken } from '../src/model.ts';
import { wishHandoff } from '../src/state/desired.ts';
import { parseLease } from '../src/state/leases.ts';
import { poke } from '../src/state/presence.ts';
import type { StatusDocument } from '../src/status/document.ts';
import { type EmulatedBot, type QqEmulator, startQq } from '../test/emulators/qq/index.ts';
import { type Installation, install } from '../test/support/installation.ts';
import { startRedis, type TestRedis } from '../test/support/redis.ts';
import {
  accounts,
  CONNECTIONS,
  childrenPerGroup,
  connectionName,
  heartbeatIntervalMs,
  installationOf,
  OTHERS_PER_ROLE,
  WORKER_GROUPS,
} from './settings.ts';
import { Unit } from './unit.ts';

const LIVE_MS = 60_000;

/** Who holds a connection, as status says. */
export interface Held {
  readonly connection: ConnectionId;
  readonly bot: EmulatedBot;
  readonly pid: number;
  readonly token: FencingToken;
}

export class Site implements AsyncDisposable {
  readonly qq: QqEmulator;
  readonly redis: TestRedis;
  readonly installation: Installation;
  readonly groups: readonly Unit[];
  readonly others: readonly Unit[];
  /** Ends of processes that nobody asked for, in words. */
  readonly suddenEnds: string[] = [];

  readonly #children: number;
  readonly #childrenLost = new Set<string>();

  private constructor(qq: QqEmulator, redis: TestRedis, installation: Installation, children: number) {
    this.#children = children;
    this.qq = qq;
    this.redis = redis;
    this.installation = installation;
    const unit = (role: string, ...args: string[]) =>
      new Unit(role, installation, args, (what) => this.suddenEnds.push(what));
    this.groups = Array.from({ length: WORKER_GROUPS }, () =>
      unit('worker', 'worker', '--roles', 'connections', '--processes', String(children)),
    );
    this.others = Array.from({ length: OTHERS_PER_ROLE }, () => [
      unit('scheduler', 'scheduler'),
      unit('agent', 'worker', '--roles', 'agent'),
      unit('delivery', 'worker', '--roles', 'delivery'),
    ]).flat();
  }

  static async start(scaled: boolean, signal: AbortSignal): Promise<Site> {
    const [first, ...bots] = accounts();
    const qq = await startQq({ ...first, bots, heartbeatIntervalMs: heartbeatIntervalMs(scaled) });
    const redis = await startRedis({ appendfsync: 'always' });
    const installation = await install({ ...installationOf(qq, scaled), redis: { url: redis.url, prefix: 'chaos' } });
    const site = new Site(qq, redis, installation, childrenPerGroup(scaled));
    try {
      // Schedulers first: they write down which connections there should be.
      const isScheduler = ({ role }: Unit) => role === 'scheduler';
      for (const unit of site.others.filter(isScheduler)) await unit.start(signal);
      const rest = [...site.groups, ...site.others.filter((unit) => !isScheduler(unit))];
      await Promise.all(rest.map((unit) => unit.start(signal)));
      await site.settled(signal);
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  get bots(): EmulatedBot[] {
    return accounts().map(({ appId }) => this.qq.bot(appId));
  }

  /** The group whose child has this pid. */
  groupOf(pid: number): Unit | undefined {
    return this.groups.find(({ children }) => children.includes(pid));
  }

  /**
   * Waits until every connection is live in a process of ours, for platform and status alike, and each worker group has
   * all its children, but for one that may be starting, to take over with.
   *
   * @throws Error when that takes longer than {@link LIVE_MS}
   */
  async settled(signal: AbortSignal): Promise<Held[]> {
    return await waitFor('all connections to be live, with standbys', LIVE_MS, signal, async () => {
      if (this.groups.some(({ children }) => children.length < this.#children - 1)) return undefined;
      const status = await this.installation.status().catch(() => null);
      if (status === null) return undefined;
      const held = this.#held(status);
      return held.length === CONNECTIONS && held.every(({ bot }) => bot.view().live) ? held : undefined;
    });
  }

  /** What `holdfast connections handoff` writes. */
  async askForHandoff(id: ConnectionId): Promise<void> {
    const { client, keys } = await this.installation.reader();
    const lease = parseLease(await client.hgetall(keys.connection(id).lease));
    await wishHandoff(client, keys, id, { target: null, avoid: lease.owner });
    if (lease.owner !== null) await poke(client, keys, `${lease.owner}#${lease.incarnation ?? ''}`);
  }

  /** Notes children that ended although nobody killed them. A group's log forgets them with its next start. */
  lookForLostChildren(): void {
    for (const group of this.groups) for (const lost of group.childrenLost()) this.#childrenLost.add(lost);
  }

  childrenLost(): string[] {
    this.lookForLostChildren();
    return [...this.#childrenLost];
  }

  async status(signal: AbortSignal): Promise<StatusDocument> {
    return await waitFor('status', LIVE_MS, signal, () => this.installation.status().catch(() => undefined));
  }

  #held({ connections }: StatusDocument): Held[] {
    return connections.flatMap(({ id, state, owner, fencingToken }) => {
      const pid = Number(owner?.split('/').at(-1));
      const place = Array.from({ length: CONNECTIONS }, (_, n) => connectionName(n)).indexOf(id);
      const bot = this.bots[place];
      if (state !== 'live' || fencingToken === null || bot === undefined) return [];
      if (this.groupOf(pid) === undefined) return [];
      return [{ connection: id as ConnectionId, bot, pid, token: fencingToken as FencingToken }];
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.installation[Symbol.asyncDispose]();
    } finally {
      await this.qq.close();
      await this.redis[Symbol.asyncDispose]();
    }
  }
}
