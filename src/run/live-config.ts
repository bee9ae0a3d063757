/**
 * The configuration of a running process, which may be replaced: when one of its files changes, on SIGHUP, and when a
 * connection is wanted otherwise than this process knows it. A new one is taken over as a whole or refused as a whole; the
 * one before goes on then, and status, metrics and the log say so.
 */
import { createHash } from 'node:crypto';
import { readFile, realpath, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { type Config, loadConfig } from '../config.ts';
import { ConfigError, explain } from '../errors.ts';
import { MOUNT_THE_FOLDER, mountedAlone } from '../files/mounted-alone.ts';
import { type ConfigChange, changesBetween, isEmpty, takenOver, waitingForRestart } from './config-changes.ts';
import { FileWatch } from './watch-files.ts';

/** What a process says about its configuration. */
export interface ConfigStanding {
  /** Why the files as they are now were refused: one line per problem, without values. `null`: they were not. */
  readonly refused: string | null;
  /** Keys whose new values wait for a restart of the process. */
  readonly restartNeeded: readonly string[];
}

export type ConfigListener = (change: ConfigChange) => void;

export interface LiveConfigOptions {
  readonly initial: Config;
  /** A child of a process that says the same: it only says so at debug level. */
  readonly quiet: boolean;
  readonly log: Logger;
  /** @defaultValue reads the file of `initial` again */
  load?(): Config;
  /** When `initial` was read at the earliest, ms since the epoch. @defaultValue the start of the process */
  readonly readSince?: number;
}

/** For file systems that tell of no change, and after a refusal for what is missing beside the file, ms. */
const LOOK_EVERY_MS = 5_000;

export class LiveConfig {
  #current: Config;
  #standing: ConfigStanding = { refused: null, restartNeeded: [] };
  /** Content of the files at the last look; `null` at the first one: they may have changed since the start. */
  #seen: string | null = null;
  #looking: Promise<void> = Promise.resolve();
  /** Files that are mounted alone, of which this was said. */
  readonly #alone = new Set<string>();
  /** Those that were replaced where they come from. */
  readonly #replaced = new Set<string>();
  readonly #listeners = new Set<ConfigListener>();
  readonly #askListeners = new Set<() => void>();
  readonly #options: LiveConfigOptions;
  readonly #load: () => Config;
  readonly #readSince: number;

  constructor(options: LiveConfigOptions) {
    const { initial } = options;
    this.#options = options;
    this.#current = initial;
    this.#readSince = options.readSince ?? performance.timeOrigin;
    this.#load = options.load ?? (() => loadConfig({ file: initial.file ?? undefined }));
  }

  /** What the process works by now. */
  get current(): Config {
    return this.#current;
  }

  get standing(): ConfigStanding {
    const replaced = [...this.#replaced].map((path) => `${path} (another file since)`);
    return { ...this.#standing, restartNeeded: [...this.#standing.restartNeeded, ...replaced] };
  }

  /** @returns stops calling it */
  onChange(listener: ConfigListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** Reads the files if their content changed. Never throws; looks do not overlap. */
  look(): Promise<void> {
    this.#looking = this.#looking.then(() => this.#look(false));
    return this.#looking;
  }

  /** Somebody asks for it: reads the files in any case, and says what came of it. Never throws. */
  ask(): Promise<void> {
    for (const listener of this.#askListeners) listener();
    this.#looking = this.#looking.then(() => this.#look(true));
    return this.#looking;
  }

  onAsk(listener: () => void): void {
    this.#askListeners.add(listener);
  }

  /** Watches until `signal` aborts. Never throws. */
  async watch(signal: AbortSignal): Promise<void> {
    if (this.#current.file === null) return;
    const watch = new FileWatch(() => void this.look());
    const files = () => watch.setFiles(this.#current.files);
    files();
    const forget = this.onChange(files);
    await this.#lookAtMounts();
    while (!signal.aborted) {
      await sleep(LOOK_EVERY_MS, { signal }).catch(() => undefined);
      if (!signal.aborted) await this.look();
    }
    forget();
    watch.close();
    await this.#looking;
  }

  /** What is behind such a mount can never be seen here: it is said at least. */
  async #lookAtMounts(): Promise<void> {
    for (const { path, replaced } of await mountedAlone(this.#current.files)) {
      if (!this.#alone.has(path)) {
        this.#alone.add(path);
        this.#tell('warn', { event: 'config.mounted-alone', path }, `${path} is mounted alone: ${MOUNT_THE_FOLDER}`);
      }
      if (!replaced || this.#replaced.has(path)) continue;
      this.#replaced.add(path);
      const message = `${path} was replaced where it is mounted from, and the old one goes on here: recreate the container`;
      this.#tell('error', { event: 'config.replaced', path }, message);
    }
  }

  async #look(asked: boolean): Promise<void> {
    const { log } = this.#options;
    await this.#lookAtMounts();
    if (this.#current.file === null) {
      const message = 'environment variables configure this process: they stay as they are until it is started again';
      if (asked) this.#tell('info', { event: 'config.unchanged' }, message);
      return;
    }
    const content = await contentOf(this.#current.files);
    // Not read twice for nothing: of ten thousand connections that takes seconds, in which nothing else happens.
    if (this.#seen === null && (await areOlder(this.#current.files, this.#readSince))) this.#seen = content;
    const changed = content !== this.#seen;
    if (!changed && !asked && this.#standing.refused === null) return;
    let next: Config;
    try {
      await assertWritten(this.#current.file);
      next = this.#load();
    } catch (error) {
      this.#seen = content;
      this.#refuse(error, asked);
      return;
    }
    // Of the files that it names now.
    this.#seen = await contentOf(next.files);
    try {
      this.#take(next, asked);
    } catch (error) {
      log.error({ err: error, event: 'config.defect' }, 'a new configuration was not taken over by all of the process');
    }
  }

  #refuse(error: unknown, asked: boolean): void {
    const problems = error instanceof ConfigError ? error.problems : [explain(error)];
    const refused = problems.join('; ');
    if (refused === this.#standing.refused && !asked) return;
    this.#standing = { ...this.#standing, refused };
    this.#tell(
      'error',
      { event: 'config.refused', problems },
      `new configuration refused, the old one goes on: ${refused}`,
    );
  }

  #take(next: Config, asked: boolean): void {
    const change = changesBetween(this.#current, next);
    const restartNeeded = waitingForRestart(this.#current, next);
    const before = this.#standing;
    this.#standing = { refused: null, restartNeeded };
    this.#current = takenOver(this.#current, next);
    if (!isEmpty(change)) {
      this.#tell('info', { event: 'config.reloaded', ...change }, 'new configuration taken over');
      for (const warning of next.warnings) this.#tell('warn', { event: 'config' }, warning);
    } else if (asked || before.refused !== null) {
      this.#tell('info', { event: 'config.unchanged' }, 'the configuration is what this process works by already');
    }
    if (restartNeeded.length > 0 && restartNeeded.join() !== before.restartNeeded.join()) {
      const keys = restartNeeded.join(', ');
      this.#tell(
        'warn',
        { event: 'config.restart-needed', keys: restartNeeded },
        `needs a restart to take effect: ${keys}`,
      );
    }
    // Files may have come or gone as well.
    for (const listener of this.#listeners) listener(change);
  }

  #tell(level: 'info' | 'warn' | 'error', fields: object, message: string): void {
    this.#options.log[this.#options.quiet ? 'debug' : level](fields, message);
  }
}

/** An empty file is legal, names no connection, and is what some editors leave for a moment. */
async function assertWritten(file: string): Promise<void> {
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text?.trim() !== '') return;
  throw new ConfigError([`${file}: is empty; to hold no connection any more, write "connections: []"`]);
}

/** Clocks of file systems tick coarsely, ms. */
const TICK_MS = 2_000;

/** Whether what stands in all of them stood there before `then` (ms since the epoch) already. */
async function areOlder(files: readonly string[], then: number): Promise<boolean> {
  for (const file of files) {
    // The change time tells of a file that was moved here, too, whatever its content's age.
    const found = await stat(file).catch(() => null);
    if (found === null || Math.max(found.mtimeMs, found.ctimeMs) > then - TICK_MS) return false;
    // Behind a link on its way, another file that is as old may stand there now.
    if ((await realpath(file)) !== resolve(file)) return false;
  }
  return true;
}

/** A digest of all of them; a file that cannot be read counts as such. */
async function contentOf(files: readonly string[]): Promise<string> {
  const digest = createHash('sha256');
  for (const file of files) {
    digest.update(file).update(await readFile(file).catch((error: NodeJS.ErrnoException) => `\u0000${error.code}`));
  }
  return digest.digest('hex');
}
