/** Holdfast as people run it: the built command line in processes of its own, over a configuration file. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Redis } from 'ioredis';
import { stringify } from 'yaml';
import { connectionId } from '../../src/model.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { type LeaseRecord, parseLease } from '../../src/state/leases.ts';
import { listWorkers } from '../../src/state/workers.ts';
import type { TestRedis } from '../../test/support/redis.ts';
import type { GatewayAddresses } from './gateway.ts';
import { untilFound } from './wait.ts';

const CLI = fileURLToPath(new URL('../../dist/cli.js', import.meta.url));
const PREFIX = 'bench';

export interface HoldfastOptions {
  /** `null`: the embedded one, which `up` starts. */
  readonly redis: TestRedis | null;
  readonly gateway: GatewayAddresses;
  readonly connections: number;
  /** A module loaded into its processes, which tells how late their event loops were; see programs/lag-probe.ts. */
  readonly probe?: string;
}

export class Holdfast implements AsyncDisposable {
  readonly keys: Keys = createKeys(PREFIX);
  readonly #dir: string;
  readonly #options: HoldfastOptions;
  readonly #started: HoldfastProcess[] = [];
  #client: Redis | undefined;

  private constructor(dir: string, options: HoldfastOptions) {
    this.#dir = dir;
    this.#options = options;
  }

  /** @throws Error with the embedded Redis, which is `up`'s own */
  get client(): Redis {
    const { redis } = this.#options;
    if (redis === null) throw new Error('the embedded Redis is not for the bench');
    this.#client ??= redis.client();
    return this.#client;
  }

  static async install(options: HoldfastOptions): Promise<Holdfast> {
    const dir = await mkdtemp(join(tmpdir(), 'hf-bench-'));
    const holdfast = new Holdfast(dir, options);
    const { apiBaseUrl, tokenUrl } = options.gateway;
    const document = {
      redis: options.redis === null ? { prefix: PREFIX } : { url: options.redis.url, prefix: PREFIX },
      http: false,
      connections: Array.from({ length: options.connections }, (_, n) => ({
        id: idOf(n),
        platform: 'qq',
        appId: appIdOf(n),
        clientSecret: `secret-of-bot-${n}`,
        apiBaseUrl,
        tokenUrl,
      })),
    };
    await writeFile(join(dir, 'holdfast.yaml'), stringify(document), { mode: 0o600 });
    return holdfast;
  }

  /** A foreground command, just started. */
  start(...args: readonly string[]): HoldfastProcess {
    const log = join(this.#dir, `log-${this.#started.length}`);
    const { gateway, probe } = this.#options;
    const started = new HoldfastProcess(args, {
      cwd: this.#dir,
      log,
      env: { ...gateway.env, ...(probe === undefined ? {} : { BENCH_LAG_FILE: `${log}.lag` }) },
      nodeArgs: probe === undefined ? [] : ['--import', probe],
    });
    this.#started.push(started);
    return started;
  }

  /** The scheduler has written down what should run, and its jobs wait. */
  async scheduled(): Promise<HoldfastProcess> {
    const scheduler = await this.start('scheduler').ready();
    const waiting = `${this.keys.bull}:connections:wait`;
    await untilFound('jobs of all connections', async () =>
      (await this.client.llen(waiting)) >= this.#options.connections ? true : undefined,
    );
    return scheduler;
  }

  /** Waits until each of so many workers counts the others: each takes its share then, and no more. */
  async bothKnown(workers: number): Promise<void> {
    const holders = async () =>
      (await listWorkers(this.client, this.keys)).filter(({ roles }) => roles.includes('connections'));
    const since = await untilFound('all workers', async () => {
      const found = await holders();
      return found.length === workers ? Math.max(...found.map(({ at }) => at)) : undefined;
    });
    await untilFound('a report of each since', async () =>
      (await holders()).every(({ at }) => at > since) ? true : undefined,
    );
  }

  async leases(): Promise<LeaseRecord[]> {
    return await Promise.all(this.places.map(async ({ lease }) => parseLease(await this.client.hgetall(lease))));
  }

  /** App ids of the connections that each process holds, by its pid. */
  async heldBy(): Promise<ReadonlyMap<number, readonly string[]>> {
    const pipeline = this.client.pipeline();
    for (const { lease } of this.places) pipeline.hget(lease, 'owner');
    const held = new Map<number, string[]>();
    for (const [n, [, owner]] of ((await pipeline.exec()) ?? []).entries()) {
      const pid = Number(String(owner).split('/').at(-1));
      held.set(pid, [...(held.get(pid) ?? []), appIdOf(n)]);
    }
    return held;
  }

  /** Messages stored so far, by connection. */
  async storedBy(): Promise<number[]> {
    const pipeline = this.client.pipeline();
    for (const { counters } of this.places) pipeline.hget(counters, 'events');
    return ((await pipeline.exec()) ?? []).map(([, value]) => Number(value ?? 0));
  }

  /** Messages stored so far, over all connections. */
  async stored(): Promise<number> {
    return (await this.storedBy()).reduce((sum, each) => sum + each, 0);
  }

  /** Waits until so many messages of one connection are stored: looks at that one only, thousands may lie idle beside it. */
  async untilStoredOf(connection: number, count: number): Promise<void> {
    const counters = this.keys.connection(idOf(connection)).counters;
    await untilFound(`${count} messages of one connection to be stored`, async () =>
      Number(await this.client.hget(counters, 'events')) >= count ? true : undefined,
    );
  }

  /** Waits for {@link stored} to reach a number. @returns when it did, ms since the epoch */
  async untilStored(count: number): Promise<number> {
    // Each look asks for the counters of all connections: thousands of them are not to be what keeps Redis busy.
    const everyMs = Math.max(2, this.#options.connections / 20);
    return await untilFound(
      `${count} messages to be stored`,
      async () => ((await this.stored()) >= count ? performance.timeOrigin + performance.now() : undefined),
      { everyMs },
    );
  }

  /** As if agents had answered everything that waits: the lanes are empty and asleep. */
  async emptyLanes(places = this.places): Promise<void> {
    for (const at of places) {
      const lanes = await this.client.zrange(at.activeLanes, '0', '-1');
      if (lanes.length === 0) continue;
      const pipeline = this.client.pipeline();
      for (const lane of lanes) pipeline.unlink(at.lane(lane)).hset(at.laneState(lane), 'active', '0');
      pipeline.del(at.activeLanes).hset(at.cursor, 'bytes', '0');
      await pipeline.exec();
    }
  }

  /** The keys of each connection. */
  get places() {
    return Array.from({ length: this.#options.connections }, (_, n) => this.keys.connection(idOf(n)));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    // In good order where an embedded Redis has to be taken along.
    await Promise.all(this.#started.map((each) => (this.#options.redis === null ? each.stop() : each.kill())));
    await rm(this.#dir, { recursive: true, force: true });
  }
}

/** Of the n-th connection. */
function appIdOf(n: number): string {
  return String(102_000_000 + n);
}

function idOf(n: number) {
  return connectionId(`bot-${n}`);
}

interface ProcessOptions {
  readonly cwd: string;
  /** Where its output goes. */
  readonly log: string;
  readonly env: Readonly<Record<string, string>>;
  readonly nodeArgs: readonly string[];
}

export class HoldfastProcess {
  readonly pid: number;
  /** ms since the epoch */
  readonly startedAt: number;
  readonly #log: string;
  readonly #process: ChildProcess;

  constructor(args: readonly string[], { cwd, log, env, nodeArgs }: ProcessOptions) {
    this.#log = log;
    const out = openSync(log, 'w');
    this.startedAt = performance.timeOrigin + performance.now();
    this.#process = spawn(process.execPath, [...nodeArgs, CLI, ...args], {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, ...env },
      stdio: ['ignore', out, out],
    });
    closeSync(out);
    this.pid = this.#process.pid ?? 0;
    running.add(this.#process);
    this.#process.once('exit', () => running.delete(this.#process));
  }

  /** Waits for its line `"event":"ready"`. */
  async ready(): Promise<this> {
    await untilFound(
      'a process to be ready',
      () => {
        if (this.#process.exitCode !== null) throw new Error(`a process ended: ${readFileSync(this.#log, 'utf8')}`);
        return readFileSync(this.#log, 'utf8').includes('"event":"ready"') ? true : undefined;
      },
      { everyMs: 20 },
    );
    return this;
  }

  /** @returns ms from its start until it was ready */
  async readyAfter(): Promise<number> {
    await this.ready();
    const line = readFileSync(this.#log, 'utf8')
      .split('\n')
      .find((text) => text.includes('"event":"ready"'));
    const { time } = JSON.parse(line ?? '{}') as { time: string };
    return Date.parse(time) - this.startedAt;
  }

  /** How late its event loop was since the last call, p99, ms. Only with a probe. */
  async lagMs(): Promise<number> {
    const file = `${this.#log}.lag`;
    rmSync(file, { force: true });
    process.kill(this.pid, 'SIGUSR2');
    await untilFound('the lag of an event loop', () => (existsSync(file) ? true : undefined));
    return Number(readFileSync(file, 'utf8'));
  }

  /** Waits for its end. @returns ms from start to end */
  async ended(): Promise<number> {
    if (this.#process.exitCode === null) await once(this.#process, 'exit');
    return performance.timeOrigin + performance.now() - this.startedAt;
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGTERM');
    await exited;
  }

  async kill(): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const exited = once(this.#process, 'exit');
    this.#process.kill('SIGKILL');
    await exited;
  }
}

/** A bench that ends early leaves nothing running. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
