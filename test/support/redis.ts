/**
 * Real Redis servers for tests: each on its own data, reachable by unix socket and by TCP at the same time, and with the
 * faults that happen to one: killed, restarted on the same data, frozen and thawed.
 *
 * `startRedis` is for tests that break the server; `useRedis` gives all tests of a file one server and each test a key
 * prefix of its own.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes, randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Redis, type RedisOptions } from 'ioredis';
import { afterAll, beforeAll } from 'vitest';
import { REWRITE_FROM } from '../../src/state/redis-process.ts';
import type { TestCa } from './test-ca.ts';

const START_DEADLINE_MS = 15_000;
/** Below Linux's ephemeral range, so that no outgoing connection takes the port while the server is away. */
const PORTS = { from: 15_000, to: 32_000 };
const READY = /ready to accept connections/i;

export interface TestRedisOptions {
  /** @defaultValue `'always'`, as the embedded Redis */
  readonly appendfsync?: 'always' | 'everysec' | 'no';
  /** Keep an append-only file, without which `restart()` comes back empty. @defaultValue true */
  readonly aof?: boolean;
  /** An emulated host to run on. @defaultValue this one, reachable at 127.0.0.1 only */
  readonly host?: { readonly address: string; readonly via: readonly string[] };
  /** Speaks TLS on its port, to replicas and masters, too. @defaultValue plain */
  readonly tls?: TestCa;
  /** A configuration file that decides about memory and durability; the options about them do nothing then. */
  readonly config?: string;
  /** Further arguments of redis-server, e.g. `['--maxmemory', '5mb']`. */
  readonly args?: readonly string[];
}

/** ioredis wants its reply mapping known to the compiler; tests leave it alone. */
export type ClientOptions = Omit<RedisOptions, 'replyMapping'>;

export interface TestRedis extends AsyncDisposable {
  /** Folder of the data and the socket. */
  readonly dir: string;
  /** Unix socket. Stays the same over `restart()`. */
  readonly path: string;
  readonly port: number;
  /** `redis://<address>:<port>/0`, or `rediss://…`. Stays the same over `restart()`. */
  readonly url: string;
  /** @throws Error when the server is not running */
  readonly pid: number;
  /** A client over the unix socket that goes on reconnecting; closed with the server. */
  client(options?: ClientOptions): Redis;
  /** SIGKILL; resolves when the process is gone. Does nothing when it is not running. */
  kill(): Promise<void>;
  /** Starts again on the same data, socket and port (after a SIGKILL when it still runs); resolves when it answers. */
  restart(): Promise<void>;
  /** SIGSTOP: connections stay open, nothing is answered. */
  freeze(): void;
  /** SIGCONT. */
  thaw(): void;
}

/** Starts a server in a new temporary folder. Resolves when it accepts connections. */
export async function startRedis(options: TestRedisOptions = {}): Promise<TestRedis> {
  const dir = await mkdtemp(join(tmpdir(), 'hf-redis-'));
  for (let attempt = 1; ; attempt += 1) {
    const server = new RedisProcess(dir, await freePort(), options);
    try {
      await server.start();
      return server;
    } catch (error) {
      if (attempt === 3) throw error;
    }
  }
}

export interface SharedRedis {
  /** The server of this test file; only inside hooks and tests. */
  readonly server: TestRedis;
  /** A prefix nobody else uses, e.g. `t3f9a1c`. */
  prefix(): string;
}

/** Call at the top of a test file (or `describe`): one server for all its tests, stopped after the last. */
export function useRedis(options?: TestRedisOptions): SharedRedis {
  let server: TestRedis | undefined;
  beforeAll(async () => {
    server = await startRedis(options);
  });
  afterAll(async () => {
    await server?.[Symbol.asyncDispose]();
  });
  return {
    get server() {
      if (server === undefined) throw new Error('useRedis: the server exists only inside hooks and tests');
      return server;
    },
    prefix: uniquePrefix,
  };
}

/** A key prefix nobody else uses. */
export function uniquePrefix(): string {
  return `t${randomBytes(5).toString('hex')}`;
}

class RedisProcess implements TestRedis {
  readonly dir: string;
  readonly path: string;
  readonly port: number;
  readonly url: string;
  readonly #command: readonly string[];
  readonly #clients = new Set<Redis>();
  #child: ChildProcess | undefined;

  constructor(dir: string, port: number, options: TestRedisOptions) {
    this.dir = dir;
    this.path = join(dir, 'redis.sock');
    this.port = port;
    const scheme = options.tls === undefined ? 'redis' : 'rediss';
    this.url = `${scheme}://${options.host?.address ?? '127.0.0.1'}:${port}/0`;
    this.#command = [...(options.host?.via ?? []), 'redis-server', ...serverArguments(this, options)];
  }

  get pid(): number {
    const pid = this.#child?.pid;
    if (pid === undefined) throw new Error('the test Redis is not running');
    return pid;
  }

  client(options: ClientOptions = {}): Redis {
    const client = new Redis({ path: this.path, maxRetriesPerRequest: null, ...options });
    // Losing the server is what many tests are about; their assertions judge it, not a line on stderr.
    client.on('error', () => {});
    this.#clients.add(client);
    return client;
  }

  async start(): Promise<void> {
    const [command = '', ...args] = this.#command;
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    this.#child = child;
    child.once('exit', () => {
      running.delete(child);
      if (this.#child === child) this.#child = undefined;
    });
    running.add(child);
    await untilReady(child);
  }

  async kill(): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }

  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  freeze(): void {
    process.kill(this.pid, 'SIGSTOP');
  }

  thaw(): void {
    process.kill(this.pid, 'SIGCONT');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.disconnect();
    await this.kill();
    await rm(this.dir, { recursive: true, force: true });
  }
}

function serverArguments(at: { dir: string; path: string; port: number }, options: TestRedisOptions): string[] {
  return [
    ...(options.config === undefined ? [] : [options.config]),
    ...['--dir', at.dir, '--unixsocket', at.path, '--unixsocketperm', '700'],
    ...['--bind', options.host?.address ?? '127.0.0.1'],
    ...(options.tls === undefined
      ? ['--port', String(at.port)]
      : tlsSettings(options.tls, at.port).flatMap(([name, value]) => [`--${name}`, value])),
    // The address of an emulated host is known on this machine only.
    ...(options.host === undefined ? [] : ['--protected-mode', 'no']),
    ...(options.config === undefined ? storageArguments(options) : []),
    ...(options.args ?? []),
  ];
}

function storageArguments({ aof = true, appendfsync = 'always' }: TestRedisOptions): string[] {
  return [
    ...['--save', '', '--maxmemory-policy', 'noeviction'],
    ...['--appendonly', aof ? 'yes' : 'no', '--appendfsync', appendfsync, ...REWRITE_FROM],
  ];
}

/** What redis-server and Sentinel alike are told; clients need no certificate. */
export function tlsSettings(ca: TestCa, port: number): readonly (readonly [string, string])[] {
  return [
    ['port', '0'],
    ['tls-port', String(port)],
    ['tls-cert-file', ca.files.cert],
    ['tls-key-file', ca.files.key],
    ['tls-ca-cert-file', ca.caFile],
    ['tls-auth-clients', 'no'],
    ['tls-replication', 'yes'],
  ];
}

/** Waits for the server's own word that it accepts connections (data loaded); its output otherwise explains the failure. */
async function untilReady(child: ChildProcess): Promise<void> {
  let output = '';
  let deadline: NodeJS.Timeout | undefined;
  const ready = new Promise<void>((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`redis-server ${why}\n${output}`));
    deadline = setTimeout(() => {
      fail(`was not ready within ${START_DEADLINE_MS} ms`);
      child.kill('SIGKILL');
    }, START_DEADLINE_MS);
    const read = (chunk: Buffer) => {
      // Goes on after ready: a full pipe would block the server.
      output = (output + chunk.toString()).slice(-4_000);
      if (READY.test(output)) resolve();
    };
    child.stdout?.on('data', read);
    child.stderr?.on('data', read);
    child.once('error', (error) => fail(`could not be started: ${error.message}`));
    child.once('exit', (code, signal) => fail(`ended (${signal ?? code}) before it was ready`));
  });
  try {
    await ready;
  } finally {
    clearTimeout(deadline);
  }
}

/** A port that can be listened on right now. `startRedis` tries another when it is taken before the server has it. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(PORTS.from, PORTS.to);
    const probe = createServer();
    const free = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false));
      probe.listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!free) continue;
    probe.close();
    await once(probe, 'close');
    return port;
  }
}

/** A test process that ends early (a failed hook, `process.exit`) leaves no server behind. */
const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});
