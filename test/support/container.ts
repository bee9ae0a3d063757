/**
 * A process as it would run in a container: the image's folder as its root, read-only; namespaces of its own for
 * processes, mounts, host name and (on a {@link NetHost}) network; without root and without capabilities; its command is
 * PID 1. Programs are this machine's. No engine is involved, so nothing is shown of pulling, layers or resource limits.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Image, mounts, quoted } from './image.ts';
import type { NetHost } from './net-hosts.ts';
import { type Exit, signalProcess } from './served-process.ts';
import { waitUntil } from './wait-until.ts';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

export interface ContainerOptions {
  readonly image: Pick<Image, 'dir' | 'env' | 'workdir' | 'uid' | 'gid'>;
  readonly command: readonly string[];
  /** Also the first part of its host name. */
  readonly name: string;
  readonly host: NetHost;
  readonly env?: Readonly<Record<string, string>>;
  /** Absolute path → content. Their folders hold nothing else, and may not be written to. */
  readonly files?: Readonly<Record<string, string>>;
  /** Name → address. */
  readonly hosts?: Readonly<Record<string, string>>;
  /** Absolute path → folder of this machine that is mounted there. */
  readonly volumes?: Readonly<Record<string, string>>;
  /** Absolute paths of empty folders that may be written to. */
  readonly tmpfs?: readonly string[];
}

export class Container implements AsyncDisposable {
  readonly name: string;
  readonly #options: ContainerOptions;
  readonly #place: string;
  readonly #child: ChildProcess;
  readonly exited: Promise<Exit>;
  output = '';
  #exit: Exit | null = null;
  #askedAt = performance.now();

  private constructor(options: ContainerOptions, place: string) {
    this.name = options.name;
    this.#options = options;
    this.#place = place;
    const own = ['unshare', '--mount', '--uts', '--ipc', '--pid', '--fork'];
    const [command = '', ...args] = [...options.host.via, ...own, 'sh', '-ec', this.#script()];
    this.#child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    running.add(this);
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.setEncoding('utf8').on('data', (chunk: string) => {
        this.output += chunk;
      });
    }
    this.exited = new Promise((resolve) => {
      this.#child.once('close', (code, signal) => {
        running.delete(this);
        this.#exit = { code, signal, afterMs: performance.now() - this.#askedAt };
        resolve(this.#exit);
      });
    });
  }

  static async start(options: ContainerOptions): Promise<Container> {
    const place = await mkdtemp(join(tmpdir(), 'hf-container-'));
    for (const [path, content] of Object.entries(options.files ?? {})) {
      await mkdir(join(place, dirname(path)), { recursive: true });
      await writeFile(join(place, path), content, { mode: 0o644 });
    }
    const names = { localhost: '127.0.0.1', ...options.hosts };
    await writeFile(
      join(place, 'hosts'),
      Object.entries(names)
        .map(([name, address]) => `${address} ${name}\n`)
        .join(''),
    );
    return new Container(options, place);
  }

  get exit(): Exit | null {
    return this.#exit;
  }

  /** The process that is PID 1 inside, as this machine counts. */
  get pid(): number {
    const pid = this.#findPid();
    if (pid === undefined) throw new Error(`container ${this.name} does not run\n${this.output}`);
    return pid;
  }

  /** As `docker exec`, and as health checks are run. */
  async exec(command: readonly string[]): Promise<{ code: number; output: string }> {
    const inside = ['--target', String(this.pid), '--mount', '--uts', '--ipc', '--pid', '--net', '--root', '--wd'];
    return await new Promise((resolve) => {
      const child = execFile('nsenter', [...inside, 'sh', '-ec', this.#asUser(command)], (_error, stdout, stderr) =>
        resolve({ code: child.exitCode ?? -1, output: `${stdout}${stderr}` }),
      );
    });
  }

  /** Waits for words in its output: a health check that starts Node is too dear to be asked all the time. */
  async says(words: string): Promise<void> {
    const said = () => {
      if (this.#exit !== null) throw new Error(`container ${this.name} ended\n${this.output}`);
      return this.output.includes(words);
    };
    await waitUntil(`container ${this.name} to say ${words}`, said, { timeoutMs: 90_000, explain: () => this.output });
  }

  /** Waits until a health check ends with 0. @throws Error with all output when it does not in time */
  async healthy(check: readonly string[]): Promise<void> {
    let last = '';
    await waitUntil(
      `container ${this.name} to be healthy`,
      async () => {
        if (this.#exit !== null) throw new Error(`container ${this.name} ended\n${this.output}`);
        const { code, output } = await this.exec(check).catch((error) => ({ code: -1, output: String(error) }));
        last = output;
        return code === 0;
      },
      { timeoutMs: 90_000, everyMs: 500, explain: () => `${last}\n${this.output.slice(-4_000)}` },
    );
  }

  kill(signal: NodeJS.Signals): void {
    if (this.#exit !== null) return;
    this.#askedAt = performance.now();
    signalProcess(this.pid, signal);
  }

  /** As `docker stop`: SIGTERM for PID 1, and what `stop_grace_period` says. */
  async stop(graceMs = 15_000): Promise<Exit> {
    this.kill('SIGTERM');
    const tooLate = setTimeout(() => this.end(), graceMs);
    try {
      return await this.exited;
    } finally {
      clearTimeout(tooLate);
    }
  }

  /** The kernel ends all of a process namespace with its PID 1. Whoever started it ends with it. */
  end(): void {
    if (this.#exit !== null) return;
    const inside = this.#findPid();
    signalProcess(inside ?? this.#child.pid ?? 0, 'SIGKILL');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.end();
    await this.exited;
    await rm(this.#place, { recursive: true, force: true });
  }

  #findPid(): number | undefined {
    try {
      const unshare = this.#child.pid;
      const [pid] = readFileSync(`/proc/${unshare}/task/${unshare}/children`, 'utf8').trim().split(' ').map(Number);
      return pid !== undefined && pid > 0 ? pid : undefined;
    } catch {
      return undefined;
    }
  }

  #script(): string {
    const { image, name, files = {}, volumes = {}, tmpfs = [], command } = this.#options;
    const at = (path: string) => quoted(join(image.dir, path));
    const folders = new Set(Object.keys(files).map((path) => dirname(path)));
    const { uid, gid } = image;
    return [
      ...mounts(image.dir),
      `mount --bind ${quoted(join(this.#place, 'hosts'))} ${at('etc/hosts')}`,
      ...[...folders].map((folder) => `mount --bind -o ro ${quoted(join(this.#place, folder))} ${at(folder)}`),
      ...Object.entries(volumes).map(([path, folder]) => `mount --bind ${quoted(folder)} ${at(path)}`),
      ...tmpfs.map((path) => `mount -t tmpfs -o uid=${uid},gid=${gid},mode=700 tmpfs ${at(path)}`),
      `hostname ${quoted(`${name}-${Math.random().toString(16).slice(2, 8)}`)}`,
      `exec chroot ${quoted(image.dir)} sh -ec ${quoted(this.#asUser(command))}`,
    ].join('\n');
  }

  /** A line for a shell inside that is still root. */
  #asUser(command: readonly string[]): string {
    const { image, env = {} } = this.#options;
    const variables = Object.entries({ PATH, HOME: '/', ...image.env, ...env }).map(
      ([key, value]) => `${key}=${value}`,
    );
    const user = ['--reuid', String(image.uid), '--regid', String(image.gid), '--clear-groups', '--no-new-privs'];
    const words = ['env', '-i', ...variables, 'setpriv', ...user, '--bounding-set=-all', ...command];
    return `cd ${quoted(image.workdir)}; exec ${words.map(quoted).join(' ')}`;
  }
}

/** A test run that ends early leaves nothing behind. */
const running = new Set<Container>();
process.once('exit', () => {
  for (const container of running) container.end();
});
