/**
 * A whole Holdfast installation for system tests: a folder with a holdfast.yaml, foreground commands as real processes
 * in it, and the CLI. Disposing ends what was started, by pid, and fails when an orderly stop left a process behind.
 */
import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { stringify } from 'yaml';
import type { Config } from '../../src/config.ts';
import { loadConfig } from '../../src/config.ts';
import { openReader, type Reader } from '../../src/run/find-storage.ts';
import type { StatusDocument } from '../../src/status/document.ts';
import { readStatus } from '../../src/status/read-status.ts';
import type { EmulatedBot, QqEmulator } from '../emulators/qq/index.ts';
import type { TelegramEmulator } from '../emulators/telegram/index.ts';
import { markProcesses } from './left-overs.ts';
import { CLI, ServedProcess, signalProcess } from './served-process.ts';
import { waitUntil } from './wait-until.ts';

/** Full length (`npm run test:long`) runs on the default timings and the durations of the field. */
export const LONG = process.env.HOLDFAST_TEST_LONG === '1';

/** About a third of the defaults: short enough for a test, long enough for two busy cores. */
export const SCALED_TIMINGS = {
  leaseMs: 3_000,
  renewEveryMs: 500,
  sweepEveryMs: 400,
  stalledEveryMs: 400,
  turnLockMs: 4_000,
  backoffBaseMs: 200,
  backoffCapMs: 2_000,
  healthyAfterMs: 1_000,
  dialTimeoutMs: 2_000,
} as const;

/** Keepalive to go with {@link SCALED_TIMINGS}. */
export const SCALED_PINGS = { pingEveryMs: 1_000, pongDeadlineMs: 800 } as const;

type Settings = Readonly<Record<string, unknown>>;

export interface InstallationOptions {
  readonly connections: readonly Settings[];
  /** @defaultValue the scaled ones; the defaults at full length */
  readonly timings?: Settings;
  readonly agent?: Settings;
  readonly redis?: Settings;
  readonly alerts?: Settings;
  /** `'default'`: as without the key. @defaultValue false: many installations run at once, and few are looked at */
  readonly http?: Settings | false | 'default';
  /** Added to the environment of every process. */
  readonly env?: Readonly<Record<string, string>>;
}

export interface CommandResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
  readonly tookMs: number;
}

/** One connection of holdfast.yaml to an emulated bot. */
export function qqConnection(qq: QqEmulator, id = 'qq-main', bot: EmulatedBot = qq, extra: Settings = {}): Settings {
  const { appId, clientSecret } = bot.account;
  const { apiBaseUrl, tokenUrl } = qq;
  return { id, platform: 'qq', appId, clientSecret, apiBaseUrl, tokenUrl, ...(LONG ? {} : SCALED_PINGS), ...extra };
}

/** One connection of holdfast.yaml to an emulated Telegram bot. */
export function telegramConnection(telegram: TelegramEmulator, extra: Settings = {}): Settings {
  return { id: 'tg-main', platform: 'telegram', token: telegram.token, apiBaseUrl: telegram.url, ...extra };
}

export async function install(options: InstallationOptions): Promise<Installation> {
  const dir = await mkdtemp(join(tmpdir(), 'hf-system-'));
  const installation = new Installation(dir, options);
  await installation.configure(options);
  return installation;
}

export class Installation implements AsyncDisposable {
  readonly dir: string;
  readonly configFile: string;
  readonly processes: ServedProcess[] = [];
  readonly #mark = markProcesses();
  readonly #env: NodeJS.ProcessEnv;
  #reader: Reader | undefined;
  #config: Config | undefined;

  constructor(dir: string, { env = {} }: Pick<InstallationOptions, 'env'>) {
    this.dir = dir;
    this.configFile = join(dir, 'holdfast.yaml');
    this.#env = { PATH: process.env.PATH, HOME: dir, TMPDIR: process.env.TMPDIR, ...env, ...this.#mark.env };
  }

  /** Writes holdfast.yaml anew; running processes keep what they have read. */
  async configure({ connections, timings, agent, redis, alerts, http = false }: InstallationOptions): Promise<void> {
    const document = {
      timings: timings ?? (LONG ? {} : SCALED_TIMINGS),
      ...(agent === undefined ? {} : { agent }),
      ...(redis === undefined ? {} : { redis }),
      ...(alerts === undefined ? {} : { alerts }),
      ...(http === 'default' ? {} : { http }),
      connections,
    };
    await writeFile(this.configFile, stringify(document), { mode: 0o600 });
    this.#config = loadConfig({ file: this.configFile, env: this.#env });
  }

  get config(): Config {
    if (this.#config === undefined) throw new Error('not configured yet');
    return this.#config;
  }

  /** `up`, ready. */
  async up(): Promise<ServedProcess> {
    return await this.start('up').ready();
  }

  async worker(roles: string): Promise<ServedProcess> {
    return await this.start('worker', '--roles', roles).ready();
  }

  async scheduler(): Promise<ServedProcess> {
    return await this.start('scheduler').ready();
  }

  /** A foreground command, just started. */
  start(...args: string[]): ServedProcess {
    return this.startVia([], ...args);
  }

  /** A foreground command on an emulated host (`NetHost.via`), just started. */
  startVia(via: readonly string[], ...args: string[]): ServedProcess {
    const started = new ServedProcess(args, { cwd: this.dir, env: this.#env, via });
    this.processes.push(started);
    return started;
  }

  /** Runs a command to its end. */
  async run(args: readonly string[], options: { cwd?: string; env?: Settings } = {}): Promise<CommandResult> {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [CLI, ...args], {
      cwd: options.cwd ?? this.dir,
      env: { ...this.#env, ...(options.env as NodeJS.ProcessEnv | undefined) },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, stdout, stderr, tookMs: performance.now() - startedAt };
  }

  /** The installation's Redis, as `status` finds it. */
  async reader(): Promise<Reader> {
    if (this.#reader === undefined || this.#reader.client.status === 'end') {
      const reader = await openReader(this.config, this.configFile, this.dir);
      this.#reader = reader;
      if (reader.client.status !== 'ready') {
        await new Promise((resolve) => {
          reader.client.once('ready', resolve);
          reader.client.once('end', resolve);
        });
      }
    }
    return this.#reader;
  }

  /** The document of `status --json` without a process of its own: cheap enough for five looks a second. */
  async status(): Promise<StatusDocument> {
    const { client, keys } = await this.reader();
    return await readStatus(client, keys, this.config.timings);
  }

  async connection(id = 'qq-main'): Promise<StatusDocument['connections'][number]> {
    const found = (await this.status()).connections.find((one) => one.id === id);
    if (found === undefined) throw new Error(`status knows no connection ${id}`);
    return found;
  }

  /** Waits until the status of one connection fits. @returns it */
  async waitFor(
    what: string,
    fits: (connection: StatusDocument['connections'][number]) => boolean,
    { id = 'qq-main', timeoutMs = 15_000 } = {},
  ): Promise<StatusDocument['connections'][number]> {
    let last: StatusDocument['connections'][number] | undefined;
    await waitUntil(
      `${id} ${what}`,
      async () => {
        last = await this.connection(id).catch(() => undefined);
        return last !== undefined && fits(last);
      },
      { timeoutMs, everyMs: 50, explain: () => `${JSON.stringify(last, null, 1)}\n${this.tails()}` },
    );
    return last as StatusDocument['connections'][number];
  }

  async live(id = 'qq-main', timeoutMs = 15_000): Promise<StatusDocument['connections'][number]> {
    return await this.waitFor('to be live', ({ state }) => state === 'live', { id, timeoutMs });
  }

  /** All that was ever said by foreground commands of this installation. */
  output(): string {
    return this.processes.map(({ output }) => output).join('\n');
  }

  tails(): string {
    return this.processes.map((each) => `--- ${each.name} (${each.pid})\n${each.tail()}`).join('\n');
  }

  /**
   * Stops everything in good order and checks that nothing stays behind.
   *
   * @throws Error when a process of ours outlives its command
   */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#reader?.close();
    const killed = this.processes.some(({ exit }) => exit?.signal != null);
    await Promise.all(this.processes.map((each) => each.stop()));
    // A user that was killed leaves the embedded Redis running, on purpose.
    const isFault = ({ command }: { command: string }) => !killed || !command.includes('redis-server');
    const left = () => this.#mark.find();
    await waitUntil('processes to end', () => !left().some(isFault), { timeoutMs: 3_000 }).catch(() => undefined);
    const faults = left().filter(isFault);
    for (const { pid } of left()) signalProcess(pid, 'SIGKILL');
    await waitUntil('killed processes to end', () => left().length === 0, { timeoutMs: 5_000 });
    await rm(this.dir, { recursive: true, force: true });
    if (faults.length > 0) throw new Error(`left over: ${JSON.stringify(faults)}\n${this.tails()}`);
  }
}
