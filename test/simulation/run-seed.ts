/** One schedule from its seed: start → storm → what recovery takes → calm, with every promise watched all the time. */
import type { ConnectionId } from '../../src/model.ts';
import { applyDesired, type DesiredConnection, wishPaused } from '../../src/state/desired.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { readHolding } from '../../src/status/read.ts';
import { Invariants } from './invariants.ts';
import type { Mutation } from './mutations.ts';
import { CALM } from './network.ts';
import { type Platform, partsOf, type Said } from './platform.ts';
import { Random } from './random.ts';
import { raiseReadingTrouble } from './reading-trouble.ts';
import { redisClient } from './redis-client.ts';
import type { Executed } from './redis-server.ts';
import { drawSettings } from './settings.ts';
import { createSim, type Sim } from './sim.ts';
import { startMember } from './start-member.ts';
import { endStorm, raiseStorm, setBackAtPostponement } from './storm.ts';

export interface SeedResult {
  readonly seed: number;
  /** Two runs with the same hash did the same at the same instants. */
  readonly hash: string;
  /** Empty when every promise was kept. */
  readonly violations: readonly string[];
  /** From the end of the last fault until all was well, ms. */
  readonly recoveryMs: number;
  readonly messages: number;
  readonly events: number;
  readonly trace: readonly string[] | null;
}

export interface SeedOptions {
  /** @defaultValue none */
  readonly mutation?: Mutation | null;
  /** Keep the lines of the trace. @defaultValue false */
  readonly keepLines?: boolean;
  /** Told of everything that Redis carried out. */
  readonly onExecuted?: (executed: Executed) => void;
}

/** The first start, ms. */
const START_BOUND_MS = 15_000;
/** After the last fault everything is well within this, ms: leases, locks and the longest delays one after another. */
const RECOVERY_BOUND_MS = 25_000;
/** Where somebody said what kills its readers, ms: each of them is found dead first, one after another. */
const DEADLY_BOUND_MS = 60_000;
/** An answer without any trouble, ms: sooner than the sweep would wake a lane. */
const CALM_ANSWER_MS = 1_600;
const CALM_ROUNDS = 3;
const CALM_BURST = 4;

export async function runSeed(seed: number, options: SeedOptions = {}): Promise<SeedResult> {
  const { mutation = null, keepLines = false, onExecuted } = options;
  const sim = createSim(seed, drawSettings, { mutation, keepLines });
  using _globals = sim.world.takeGlobals();
  const rejections: unknown[] = [];
  const onRejection = (error: unknown) => rejections.push(error);
  process.on('unhandledRejection', onRejection);
  if (onExecuted !== undefined) sim.server.watchers.push(onExecuted);
  const run = new SeedRun(sim, seed);
  try {
    const recoveryMs = await run.all();
    // Rejections that nobody handles come out when the loop turns.
    await new Promise((resolve) => setImmediate(resolve));
    for (const { process, error } of sim.world.uncaught)
      run.invariants.violate('crash', `${process}: ${describe(error)}`);
    for (const error of rejections) run.invariants.violate('crash', `unhandled rejection: ${describe(error)}`);
    const messages = [...sim.platforms.values()].reduce((sum, { said }) => sum + said.length, 0);
    const { violations } = run.invariants;
    const { hash, lines } = sim.trace;
    return { seed, hash, violations, recoveryMs, messages, events: sim.world.tick, trace: lines };
  } finally {
    process.off('unhandledRejection', onRejection);
  }
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}

class SeedRun {
  readonly invariants: Invariants;
  readonly #sim: Sim;
  readonly #seed: number;
  readonly #random: Random;
  readonly #operator: RedisClient;
  readonly #person;
  #well = false;
  #watching = true;

  constructor(sim: Sim, seed: number) {
    this.#sim = sim;
    this.#seed = seed;
    this.#random = new Random(seed, 4);
    this.invariants = new Invariants(sim);
    this.#person = sim.world.spawn('operator');
    sim.replace = (role, afterMs) => void sim.world.in(afterMs, null, () => startMember(sim, this.invariants, role));
    // Asks without any wire, and changes nothing unless a fault says so.
    this.#operator = redisClient(async (run) => this.#unhindered(() => run(sim.server)));
  }

  /** An operator tries until it works; here at once. */
  #unhindered<T>(run: () => T): T {
    const { server } = this.#sim;
    const full = server.outOfMemory;
    server.outOfMemory = false;
    try {
      return run();
    } finally {
      server.outOfMemory = full;
    }
  }

  /** @returns how long recovery took, ms */
  async all(): Promise<number> {
    const { world, settings } = this.#sim;
    this.#begin();
    if (!(await this.#untilWell(START_BOUND_MS))) {
      this.invariants.violate('P1', 'not live within the bound of the first start');
      return START_BOUND_MS;
    }
    this.#storm();
    await world.run(world.now + settings.stormMs);
    this.#calm();
    const from = world.now;
    const isDeadly = [...this.#sim.platforms.values()].some(({ said }) => said.some(({ deadly }) => deadly));
    const boundMs = isDeadly ? DEADLY_BOUND_MS : RECOVERY_BOUND_MS;
    if (!(await this.#untilWell(boundMs))) {
      this.invariants.violate('P1', `not well ${boundMs} ms after the last fault: ${await this.#illness()}`);
    } else await this.#talk();
    const recoveryMs = world.now - from;
    await this.#finish();
    return recoveryMs;
  }

  #begin(): void {
    const { settings, keys, world } = this.#sim;
    const desired = settings.connections.map((id): DesiredConnection => {
      const common = { enabled: true, options: {}, lateReply: 'active', fingerprint: '1', source: 'config' } as const;
      return { ...common, id, platform: id };
    });
    this.#do(() => applyDesired(this.#operator, keys, desired, { removeOthers: true }));
    for (let i = 0; i < settings.connectionWorkers; i += 1) startMember(this.#sim, this.invariants, 'connections');
    for (let i = 0; i < settings.schedulers; i += 1) startMember(this.#sim, this.invariants, 'scheduler');
    for (let i = 0; i < settings.messageWorkers; i += 1) startMember(this.#sim, this.invariants, 'messages');
    const look = () => {
      if (!this.#watching) return;
      this.invariants.look();
      world.in(50, null, look);
    };
    look();
    const read = () => {
      if (!this.#watching) return;
      this.#do(() => this.#readStatus());
      world.in(400, null, read);
    };
    world.in(400, null, read);
  }

  #do(work: () => Promise<unknown>): void {
    const { world } = this.#sim;
    world.in(0, this.#person, () => {
      work().catch((error: unknown) => world.uncaught.push({ process: 'operator', error }));
    });
  }

  async #readStatus(): Promise<void> {
    const { server, platforms, keys, settings } = this.#sim;
    if (server.isFrozen) return;
    const status = await readHolding(this.#operator, keys, settings);
    this.invariants.checkStatus(status);
    const isAttached = [...platforms.values()].every(({ attached }) => attached?.authenticated === true);
    const isLive = status.connections.every(({ state }) => state === 'live');
    this.#well = isAttached && isLive && this.#idle() && this.#allStored();
  }

  /** No lane and no outbox has anything left. */
  #idle(): boolean {
    const { server, keys, settings } = this.#sim;
    return settings.connections.every((id) => {
      const { activeLanes, activeOutboxes } = keys.connection(id);
      const count = (key: string) => Number(server.keyspace.call('ZCARD', [key]));
      const isStored = typeof server.keyspace.call('HGET', [keys.connection(id).cursor, 'cursor']) === 'string';
      return count(activeLanes) + count(activeOutboxes) === 0 && (isStored || this.#sim.mutation === 'cursor');
    });
  }

  #allStored(): boolean {
    return [...this.#sim.platforms].every(([id, { said, gone }]) =>
      said.every((one) => gone.has(one.id) || this.invariants.isSafe(id, one)),
    );
  }

  async #untilWell(boundMs: number): Promise<boolean> {
    const { world } = this.#sim;
    this.#well = false;
    await world.run(world.now + boundMs, () => this.#well);
    return this.#well;
  }

  #storm(): void {
    const { world, settings, platforms } = this.#sim;
    for (const platform of platforms.values()) Object.assign(platform, { repeats: 0.15, lostCalls: 0.03 });
    this.#sim.agentBusy = 0.05;
    for (let i = 0; i < settings.messages; i += 1) {
      const id = this.#random.pick(settings.connections);
      const chat = `${id}p${this.#random.int(1, settings.chatsPerConnection)}`;
      // Some at once, as when somebody sends three pictures.
      const at = world.now + this.#random.between(0, settings.stormMs);
      const count = this.#random.chance(0.2) ? this.#random.int(2, 8) : 1;
      for (let n = 0; n < count; n += 1) {
        world.at(at + n * this.#random.between(0, 30), null, () => platforms.get(id)?.say(chat));
      }
    }
    raiseReadingTrouble(this.#sim, new Random(this.#seed, 5));
    setBackAtPostponement(this.#sim, new Random(this.#seed, 6));
    raiseStorm(this.#sim, this.#random, {
      operator: this.#operator,
      run: (work) => this.#do(work),
    });
  }

  #calm(): void {
    const { keys, settings, platforms } = this.#sim;
    endStorm(this.#sim);
    Object.assign(this.#sim, { agentMs: 50, agentBusy: 0, crashOnceRead: null });
    for (const platform of platforms.values()) Object.assign(platform, { repeats: 0, lostCalls: 0 });
    this.#do(() => Promise.all(settings.connections.map((id) => wishPaused(this.#operator, keys, id, false))));
  }

  /**
   * Without any trouble, answers must not wait for a sweep. Users go on writing while their lane is just falling asleep,
   * which is the moment in which a wake-up can get lost.
   */
  async #talk(): Promise<void> {
    const { world, platforms, weather } = this.#sim;
    // What was thawed or mended a moment ago gets a moment.
    await world.run(world.now + 1_000);
    weather.delayMs = this.#random.pick([CALM.delayMs, 12]);
    for (let round = 0; round < CALM_ROUNDS; round += 1) {
      const said: [Platform, Said][] = [];
      for (const [id, platform] of platforms) {
        let at = world.now;
        for (let n = 0; n < CALM_BURST; n += 1) {
          world.at(at, null, () => said.push([platform, platform.say(`${id}p1`)]));
          at += this.#random.between(5, 120);
        }
      }
      await world.run(world.now + CALM_BURST * 120);
      const isAnswered = ([platform, { id, chat }]: [Platform, Said]) =>
        partsOf(id).every((part) => platform.seen.get(chat)?.includes(part));
      await world.run(world.now + CALM_ANSWER_MS, () => said.every(isAnswered));
      for (const [, { id }] of said.filter((one) => !isAnswered(one))) {
        this.invariants.violate('P4', `${id} was not answered within ${CALM_ANSWER_MS} ms without any trouble`);
      }
    }
  }

  async #finish(): Promise<void> {
    const { world, server, keys } = this.#sim;
    await this.#untilWell(5_000);
    this.#watching = false;
    this.invariants.checkEnd((id: ConnectionId) =>
      Number(server.keyspace.call('HGET', [keys.connection(id).counters, 'gaps']) ?? 0),
    );
    for (const { process } of [...this.#sim.members]) process.die();
    await world.run(world.now + 1);
  }

  async #illness(): Promise<string> {
    const { keys, settings, server, jobs } = this.#sim;
    const { connections } = await readHolding(this.#operator, keys, settings);
    const states = connections.map(({ id, state, reason }) => `${id} ${state}${reason === null ? '' : ` (${reason})`}`);
    const lanes = settings.connections.map((id) => {
      const at = keys.connection(id);
      return `${id}: ${String(server.keyspace.call('ZRANGE', [at.activeLanes, '0', '-1']))} | ${String(server.keyspace.call('ZRANGE', [at.activeOutboxes, '0', '-1']))}`;
    });
    const queues = Object.values(jobs).map((queue) =>
      ['wait', 'active'].map((list) => String(server.keyspace.call('LRANGE', [queue.key(list), '0', '-1']))).join('/'),
    );
    return [...states, ...lanes, ...queues].join('; ');
  }
}
