/** What a schedule consists of: the world, one Redis, one platform per connection, and the processes that live at the moment. */
import type { ConnectionId } from '../../src/model.ts';
import { createKeys } from '../../src/state/keys.ts';
import { JobScripts } from './job-queue.ts';
import { type Mutation, mutateScript } from './mutations.ts';
import { CALM, type Weather, type Wire } from './network.ts';
import { Platform } from './platform.ts';
import { Random } from './random.ts';
import { loadScripts, RedisServer } from './redis-server.ts';
import type { Settings } from './settings.ts';
import { Trace } from './trace.ts';
import { type Process, World } from './world.ts';

export type Role = 'connections' | 'scheduler' | 'messages';

/** One process and what the world can do to it. */
export interface Member {
  readonly role: Role;
  readonly process: Process;
  readonly toRedis: Wire;
  readonly toPlatform: Wire;
  /** Hands over and ends, as on SIGTERM; only connection workers. */
  drain: (() => Promise<void>) | null;
  /** Its subscription is lost for a while. */
  flapPresence(ms: number): void;
}

export interface Sim {
  readonly world: World;
  readonly settings: Settings;
  readonly mutation: Mutation | null;
  readonly trace: Trace;
  readonly server: RedisServer;
  readonly weather: Weather;
  readonly platforms: ReadonlyMap<ConnectionId, Platform>;
  readonly keys: ReturnType<typeof createKeys>;
  readonly jobs: Readonly<Record<'connections' | 'turns' | 'deliveries', JobScripts>>;
  readonly random: Random;
  readonly members: Member[];
  /** How long agents think, ms. */
  agentMs: number;
  /** Chance that an agent is too busy. */
  agentBusy: number;
  /** Processes started so far. */
  lives: number;
  /** Whoever reads an event of this connection crashes a moment later, so many times. */
  crashOnceRead: { readonly id: ConnectionId; left: number } | null;
  /** Starts another process of this role, after a while. */
  replace: (role: Role, afterMs: number) => void;
  /** Roles that have had enough. */
  readonly sparedRoles: Set<Role>;
}

export function createSim(
  seed: number,
  draw: (random: Random) => Settings,
  options: { readonly mutation: Mutation | null; readonly keepLines: boolean },
): Sim {
  const world = new World(seed);
  const settings = draw(new Random(seed, 2));
  const { mutation, keepLines } = options;
  const weather: Weather = { ...CALM };
  const platforms = new Map(
    settings.connections.map((id, index) => [id, new Platform(world, new Random(seed, 10 + index), weather)]),
  );
  const keys = createKeys('sim');
  const scripts = loadScripts((name, source) => mutateScript(mutation, name, source));
  const queue = (name: string) => new JobScripts(keys.bull, name);
  return {
    world,
    settings,
    mutation,
    trace: new Trace(world, keepLines),
    server: new RedisServer(world, scripts),
    weather,
    platforms,
    keys,
    jobs: { connections: queue('connections'), turns: queue('turns'), deliveries: queue('deliveries') },
    random: new Random(seed, 3),
    members: [],
    agentMs: 500,
    agentBusy: 0,
    lives: 0,
    crashOnceRead: null,
    replace: () => {},
    sparedRoles: new Set(),
  };
}
