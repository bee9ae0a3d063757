/**
 * What a process sees of Redis: an ioredis client as far as Holdfast uses one, over a {@link Wire}. All that is sent in
 * one event travels in one packet, whose request or reply may be lost: the sender then never knows whether it was done.
 *
 * Profile `fenced` gives up after a second, as production does; profile `queue` (BullMQ's) sends again until answered,
 * and so may do things twice.
 */
import type { RedisClient } from '../../src/state/redis.ts';
import type { LuaReply } from './lua.ts';
import type { Wire } from './network.ts';
import type { RedisServer } from './redis-server.ts';
import type { Process, World } from './world.ts';

/** As the profile `fenced` of src/state/redis.ts. */
const COMMAND_TIMEOUT_MS = 1_000;
/** The profile `queue` finds a lost connection and sends again after this, ms. */
const RESEND_MS = 300;

interface Request<T> {
  run(server: RedisServer): T;
  done(result: { readonly value: T } | { readonly error: unknown }): void;
  open: boolean;
}

export interface RedisLink {
  readonly server: RedisServer;
  readonly wire: Wire;
}

export class RedisPipe {
  readonly #world: World;
  readonly #process: Process;
  readonly #link: RedisLink;
  readonly #profile: 'fenced' | 'queue';
  #packet: { readonly tick: number; readonly requests: Request<unknown>[] } | null = null;

  constructor(world: World, process: Process, link: RedisLink, profile: 'fenced' | 'queue') {
    this.#world = world;
    this.#process = process;
    this.#link = link;
    this.#profile = profile;
  }

  /** @throws what `run` throws at the server; or, without an answer in time, an error as ioredis has it */
  ask<T>(run: (server: RedisServer) => T): Promise<T> {
    // Its event may still run on a little after it died: nothing of that leaves it.
    if (this.#process.state === 'dead') return new Promise(() => {});
    return new Promise((resolve, reject) => {
      const request: Request<T> = {
        run,
        open: true,
        done: (result) => {
          if (!request.open) return;
          request.open = false;
          if (timeout !== undefined) timeout.off = true;
          if ('value' in result) resolve(result.value);
          else reject(result.error);
        },
      };
      const timeout =
        this.#profile === 'queue'
          ? undefined
          : this.#world.timer(COMMAND_TIMEOUT_MS, this.#process, () =>
              request.done({ error: new Error('Command timed out') }),
            );
      this.#add(request as Request<unknown>);
    });
  }

  #add(request: Request<unknown>): void {
    if (this.#packet?.tick !== this.#world.tick) {
      const packet = { tick: this.#world.tick, requests: [] };
      this.#packet = packet;
      this.#send(packet.requests);
    }
    this.#packet?.requests.push(request);
  }

  #send(requests: Request<unknown>[]): void {
    const { wire } = this.#link;
    const at = wire.arrival('there');
    const lost = wire.loses();
    this.#world.at(at, null, () => {
      if (!lost && !wire.isCut) {
        this.#link.server.whenServing(() => this.#arrive(requests));
        return;
      }
      this.#stray(requests);
      this.#resend(requests);
    });
  }

  /** A kernel goes on with what its process has given up: later than anybody waits, and after what was sent since. */
  #stray(requests: Request<unknown>[]): void {
    const { server, wire } = this.#link;
    const afterMs = wire.strayMs();
    if (afterMs === null || this.#profile === 'queue') return;
    const deliver = () => {
      if (server.isFrozen || !wire.hasStrays) return;
      for (const { run } of requests) attempt(() => run(server));
    };
    this.#world.at(Math.max(this.#world.now + COMMAND_TIMEOUT_MS, wire.cutUntil) + afterMs, null, deliver);
  }

  #arrive(requests: Request<unknown>[]): void {
    const { server, wire } = this.#link;
    const results = requests.map(({ run }) => attempt(() => run(server)));
    const lost = wire.loses();
    this.#world.at(wire.arrival('back'), this.#process, () => {
      if (lost || wire.isCut) return this.#resend(requests);
      for (const [index, { done }] of requests.entries()) done(results[index] ?? { error: new Error('no reply') });
    });
  }

  #resend(requests: Request<unknown>[]): void {
    if (this.#profile === 'fenced') return;
    // Tried again and again while the wire is cut: it may be mended sooner than it was to be.
    this.#world.in(RESEND_MS, this.#process, () => this.#send(requests));
  }
}

function attempt<T>(run: () => T): { readonly value: T } | { readonly error: unknown } {
  try {
    return { value: run() };
  } catch (error) {
    return { error };
  }
}

/** The methods of ioredis, by name; each is one request. */
export function redisClient(ask: <T>(run: (server: RedisServer) => T) => Promise<T>): RedisClient {
  return new Proxy(
    {},
    {
      get(_, name) {
        if (typeof name !== 'string' || name === 'then') return undefined;
        return (...args: unknown[]) => {
          const texts = args.flatMap(flatten);
          return ask((server) => shape(name, server.execute(name, texts)));
        };
      },
    },
  ) as RedisClient;
}

function flatten(arg: unknown): string[] {
  if (typeof arg === 'string' || typeof arg === 'number') return [String(arg)];
  if (Array.isArray(arg)) return arg.map(String);
  if (typeof arg === 'object' && arg !== null) return Object.entries(arg).flat().map(String);
  throw new TypeError(`Redis argument ${String(arg)}`);
}

function shape(name: string, reply: LuaReply): unknown {
  if (name !== 'hgetall' || !Array.isArray(reply)) return reply;
  const pairs: [string, LuaReply][] = [];
  for (let i = 0; i + 1 < reply.length; i += 2) pairs.push([String(reply[i]), reply[i + 1] ?? null]);
  return Object.fromEntries(pairs);
}
