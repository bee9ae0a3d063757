/**
 * Everything the demonstration starts: the emulated platform, a scheduler, two workers, and through them the embedded
 * Redis that the three share because they run in one folder. Disposing leaves no process and no folder behind.
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
import { type QqEmulator, startQq } from '../test/emulators/qq/index.ts';
import { DemoProcess, type ProcessName } from './demo-process.ts';
import { configText, HEARTBEAT_INTERVAL_MS, SECRET_VARIABLE } from './settings.ts';
import { waitFor } from './wait.ts';

const CLI = fileURLToPath(new URL('../dist/cli.js', import.meta.url));
const READY_MS = 45_000;
const STATUS_MS = 10_000;
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

/** A worker and what status says about the connection it holds. */
export interface Owner {
  readonly process: DemoProcess;
  readonly connection: ConnectionStatus;
}

export class World implements AsyncDisposable {
  readonly qq: QqEmulator;
  readonly #dir: string;
  readonly #options: WorldOptions;
  readonly #processes = new Map<ProcessName, DemoProcess>();
  readonly #trouble = new AbortController();
  readonly #lastResort: () => void;
  #isComplete = false;
  #gone: Promise<void> | undefined;

  private constructor(dir: string, qq: QqEmulator, options: WorldOptions) {
    this.#dir = dir;
    this.qq = qq;
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
    const qq = await startQq({ heartbeatIntervalMs: HEARTBEAT_INTERVAL_MS });
    const world = new World(await realpath(await mkdtemp(join(tmpdir(), 'holdfast-demo-'))), qq, options);
    try {
      await writeFile(world.#configFile, configText(qq), { mode: 0o600 });
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
  async status(): Promise<StatusDocument> {
    const args = [CLI, '--config', this.#configFile, 'status', '--json'];
    const options = { cwd: this.#dir, env: this.#env, timeout: STATUS_MS };
    try {
      return JSON.parse((await execute(process.execPath, args, options)).stdout) as StatusDocument;
    } catch (error) {
      // Exit code 1 says that something is not well; the document is there all the same.
      const { code, stdout } = error as { code?: unknown; stdout?: string };
      if (code === 1 && stdout) return JSON.parse(stdout) as StatusDocument;
      throw error;
    }
  }

  async connection(): Promise<ConnectionStatus> {
    const [connection] = (await this.status()).connections;
    if (connection === undefined) throw new Error('status knows no connection');
    return connection;
  }

  /** The worker that holds the connection. */
  async owner(signal: AbortSignal): Promise<Owner> {
    return waitFor('an owner of the connection', OWNER_MS, signal, async () => {
      const connection = await this.connection();
      const owner = [...this.#processes.values()].find(({ worker }) => connection.owner === worker);
      return owner === undefined || owner.isOver ? undefined : { process: owner, connection };
    });
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
      await this.qq.close();
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
    return {
      PATH: process.env.PATH,
      HOME: this.#dir,
      TMPDIR: this.#dir,
      [SECRET_VARIABLE]: this.qq.clientSecret,
      ...(sabotage === null ? {} : { HOLDFAST_SABOTAGE: sabotage }),
    };
  }
}

const execute = promisify(execFile);
