/**
 * Everything the demonstration starts: two emulated platforms, the proxy before them, a scheduler, two workers, and
 * through them the embedded Redis that the three share because they run in one folder. Disposing leaves no process and
 * no folder behind.
 */
import { execFile } from 'node:child_process';
import { appendFileSync, existsSync, rmSync } from 'node:fs';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createLogger } from '../src/log.ts';
import { acquireRedis, findRedis } from '../src/state/embedded-redis.ts';
import type { ConnectionStatus, StatusDocument } from '../src/status/document.ts';
import { startQq } from '../test/emulators/qq/index.ts';
import { startTelegram } from '../test/emulators/telegram/index.ts';
import { IdleCuttingProxy } from '../test/support/idle-cutting-proxy.ts';
import { PLATFORMS, type PlatformName } from './crowd.ts';
import { DemoProcess, type ProcessName } from './demo-process.ts';
import {
  CONNECTIONS,
  configText,
  HEARTBEAT_INTERVAL_MS,
  PATIENT_PROXY_MS,
  SECRET_VARIABLES,
  type Surroundings,
} from './settings.ts';
import { waitFor } from './wait.ts';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const READY_MS = 45_000;
const ASK_MS = 10_000;
const OWNER_MS = 20_000;
const REDIS_STOP_MS = 20_000;

export type Sabotage = 'cursor' | 'dedupe' | 'fence';

const COMMANDS: Readonly<Record<ProcessName, readonly string[]>> = {
  scheduler: ['scheduler'],
  'worker-1': ['worker', '--roles', 'connections,agent,delivery'],
  'worker-2': ['worker', '--roles', 'connections,agent,delivery'],
};

export interface WorldOptions {
  readonly sabotage: Sabotage | null;
  /** Folder for the processes' logs; appended to. */
  readonly keepLogsIn: string | null;
  /** Ends the start. */
  readonly signal: AbortSignal;
  /** Ends waiting for an orderly end. */
  readonly hurry: AbortSignal;
}

/** The worker that holds QQ's connection, and what status says about that. */
export interface Owner {
  readonly process: DemoProcess;
  readonly connection: ConnectionStatus;
  /** The platforms it holds connections to. */
  readonly holds: readonly PlatformName[];
}

/** Texts per platform. */
export type Texts = Readonly<Record<PlatformName, ReadonlySet<string>>>;

export class World implements AsyncDisposable {
  readonly surroundings: Surroundings;
  readonly #dir: string;
  readonly #options: WorldOptions;
  readonly #processes = new Map<ProcessName, DemoProcess>();
  readonly #trouble = new AbortController();
  readonly #lastResort: () => void;
  #isComplete = false;
  #gone: Promise<void> | undefined;

  private constructor(dir: string, surroundings: Surroundings, options: WorldOptions) {
    this.#dir = dir;
    this.surroundings = surroundings;
    this.#options = options;
    this.#lastResort = () => {
      for (const each of this.#processes.values()) each.killNow();
      rmSync(this.#dir, { recursive: true, force: true });
    };
    process.once('exit', this.#lastResort);
  }

  /** @throws Error when something does not start; nothing is left behind then */
  static async start(options: WorldOptions): Promise<World> {
    if (!existsSync(CLI)) throw new Error(`${CLI} is missing: run "npm run build" first, or use "npm run demo"`);
    if (options.keepLogsIn !== null) await mkdir(options.keepLogsIn, { recursive: true });
    const [qq, telegram, proxy] = await Promise.all([
      startQq({ heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS }),
      startTelegram(),
      IdleCuttingProxy.start({ idleMs: PATIENT_PROXY_MS, how: 'reset' }),
    ]);
    const dir = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-demo-')));
    const world = new World(dir, { qq, telegram, proxy }, options);
    try {
      await writeFile(world.#configFile, configText(world.surroundings), { mode: 0o600 });
      await Promise.all((Object.keys(COMMANDS) as ProcessName[]).map((name) => world.launch(name)));
      world.#isComplete = true;
      return world;
    } catch (error) {
      const cause = world.trouble.aborted ? world.trouble.reason : error;
      await world[Symbol.asyncDispose]();
      throw cause;
    }
  }

  /** Aborts, with an error that says how, when a process ends that should not. */
  get trouble(): AbortSignal {
    return this.#trouble.signal;
  }

  /** Starts a process and waits until it does its work. */
  async launch(name: ProcessName): Promise<DemoProcess> {
    const launched = new DemoProcess({
      name,
      cli: CLI,
      args: ['--config', this.#configFile, ...COMMANDS[name]],
      cwd: this.#dir,
      env: this.#env,
      onLine: (line) => this.#keepLine(name, line),
      onSuddenEnd: (how) => this.#trouble.abort(new Error(how)),
    });
    this.#processes.set(name, launched);
    let isReady = false;
    launched.ready.then(
      () => {
        isReady = true;
      },
      (error: Error) => this.#trouble.abort(error),
    );
    await waitFor(`${name} to be ready`, READY_MS, this.#alive, () => isReady).catch((error: Error) => {
      this.#alive.throwIfAborted();
      throw new Error(`${error.message}\n${launched.logTail()}`);
    });
    return launched;
  }

  /** What `holdfast status --json` prints. */
  status(): Promise<StatusDocument> {
    return this.#ask('status', '--json');
  }

  async connection(platform: PlatformName): Promise<ConnectionStatus> {
    return connectionIn(await this.status(), platform);
  }

  /** The worker that holds QQ's connection. */
  async owner(signal: AbortSignal): Promise<Owner> {
    return waitFor('an owner of the connection', OWNER_MS, signal, async () => {
      const status = await this.status();
      const connection = connectionIn(status, 'qq');
      const owner = [...this.#processes.values()].find(({ worker }) => connection.owner === worker);
      if (owner === undefined || owner.isOver) return undefined;
      const holds = PLATFORMS.filter((platform) => connectionIn(status, platform).owner === owner.worker);
      return { process: owner, connection, holds };
    });
  }

  /** Answers that Holdfast lists as dead letters because nobody knows whether they arrived. */
  async unknownSends(): Promise<Texts> {
    const letters = await this.#ask<{ connection: string; outcome: string; text: string }[]>(
      'messages',
      'dead',
      '--json',
    );
    const of = (platform: PlatformName) => {
      const own = letters.filter(({ connection, outcome }) => {
        return connection === CONNECTIONS[platform] && outcome === 'unknown';
      });
      return new Set(own.map(({ text }) => text));
    };
    return { qq: of('qq'), telegram: of('telegram') };
  }

  /** Ends all, in good order as long as nobody hurries. Safe to call twice. */
  [Symbol.asyncDispose](): Promise<void> {
    this.#gone ??= this.#end();
    return this.#gone;
  }

  async #end(): Promise<void> {
    const { hurry } = this.#options;
    try {
      const orderly = await Promise.all([...this.#processes.values()].map((each) => each.drain(hurry)));
      await this.#endRedis(this.#isComplete && orderly.every(Boolean));
      const { qq, telegram, proxy } = this.surroundings;
      await Promise.all([proxy.stop(), qq.close(), telegram.close()]);
    } finally {
      await rm(this.#dir, { recursive: true, force: true });
      process.off('exit', this.#lastResort);
    }
  }

  /** The last user stops Redis. A user that was killed could not, so we become one and leave. */
  async #endRedis(wasOrderly: boolean): Promise<void> {
    const dir = join(this.#dir, '.holdfast');
    if (!existsSync(dir) || (wasOrderly && (await findRedis({ dir })) === undefined)) return;
    const signal = AbortSignal.timeout(REDIS_STOP_MS);
    const redis = await acquireRedis({ dir, log: createLogger({ level: 'silent', name: 'demo' }), signal });
    await redis.release();
  }

  /** Runs a command that prints one document. */
  async #ask<T>(...command: string[]): Promise<T> {
    const args = [CLI, '--config', this.#configFile, ...command];
    const options = { cwd: this.#dir, env: this.#env, timeout: ASK_MS };
    try {
      return JSON.parse((await execute(process.execPath, args, options)).stdout) as T;
    } catch (error) {
      // Exit code 1 says that something is not well; the document is there all the same.
      const { code, stdout } = error as { code?: unknown; stdout?: string };
      if (code === 1 && stdout) return JSON.parse(stdout) as T;
      throw error;
    }
  }

  #keepLine(name: ProcessName, line: string): void {
    const { keepLogsIn } = this.#options;
    if (keepLogsIn !== null) appendFileSync(join(keepLogsIn, `${name}.log`), `${line}\n`);
  }

  get #alive(): AbortSignal {
    return AbortSignal.any([this.#options.signal, this.#trouble.signal]);
  }

  get #configFile(): string {
    return join(this.#dir, 'holdfast.yaml');
  }

  /** Little of ours: what an operator has set for a real installation or a proxy must not change the demonstration. */
  get #env(): NodeJS.ProcessEnv {
    const { sabotage } = this.#options;
    const { qq, telegram } = this.surroundings;
    return {
      PATH: process.env.PATH,
      HOME: this.#dir,
      TMPDIR: this.#dir,
      [SECRET_VARIABLES.qq]: qq.clientSecret,
      [SECRET_VARIABLES.telegram]: telegram.token,
      ...(sabotage === null ? {} : { HOLDFAST_SABOTAGE: sabotage }),
    };
  }
}

function connectionIn({ connections }: StatusDocument, platform: PlatformName): ConnectionStatus {
  const found = connections.find(({ id }) => id === CONNECTIONS[platform]);
  if (found === undefined) throw new Error(`status does not know ${CONNECTIONS[platform]}`);
  return found;
}

const execute = promisify(execFile);
