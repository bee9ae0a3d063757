/**
 * Real proxies from Debian, each a process of its own on a free loopback port: tinyproxy, squid, dante. What went through
 * them is read from their own logs.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TlsIdentity } from '../emulators/listener.ts';
import { freePort } from './redis.ts';
import { signalProcess } from './served-process.ts';
import { waitUntil } from './wait-until.ts';

export interface RealProxy extends AsyncDisposable {
  readonly port: number;
  /** What its log says about each tunnel that was asked for. */
  log(): Promise<string>;
  /** Waits until its log names this target port. */
  carried(port: number): Promise<void>;
  /** Ends it; the port refuses from then on. */
  stop(): Promise<void>;
  /** As it was, under the same port. */
  restart(): Promise<void>;
}

export interface ProxyUser {
  readonly user: string;
  readonly password: string;
}

/** Debian's place for the helper that compares Basic credentials. */
const SQUID_AUTH = '/usr/lib/squid/basic_ncsa_auth';
const READY_DEADLINE_MS = 15_000;

/** Why these proxies can't be used here, or `null` when they can. */
export function whyNoProxy(...names: readonly ('tinyproxy' | 'squid' | 'danted' | 'danted-users')[]): string | null {
  for (const name of names) {
    const command = name === 'danted-users' ? 'danted' : name;
    const found = spawnSync('sh', ['-c', `command -v ${command}`], { env: ENV }).status === 0;
    if (!found) return `${command} is not installed (node scripts/ensure-test-programs.mjs)`;
    if (name === 'danted-users' && spawnSync('unshare', ['--mount', 'true']).status !== 0) {
      return 'dante takes users from /etc/passwd, and hiding it for a test needs root and mount namespaces';
    }
  }
  return null;
}

/** Debian keeps daemons in sbin, which is not on everybody's PATH. */
const ENV = { ...process.env, PATH: `${process.env.PATH}:/usr/sbin:/sbin` };

/**
 * @param options - `idleTimeoutS`: idle tunnels are cut after so many seconds. @defaultValue 600
 */
export async function startTinyproxy(options: { user?: ProxyUser; idleTimeoutS?: number } = {}): Promise<RealProxy> {
  const { user, idleTimeoutS = 600 } = options;
  return await start('tinyproxy', async ({ dir, port, log }) => {
    const config = [
      `Port ${port}`,
      'Listen 127.0.0.1',
      `Timeout ${idleTimeoutS}`,
      'MaxClients 100',
      `LogFile "${log}"`,
      'LogLevel Connect',
      ...(user === undefined ? [] : [`BasicAuth ${user.user} ${user.password}`]),
    ];
    return ['tinyproxy', '-d', '-c', await file(dir, 'tinyproxy.conf', config)];
  });
}

/** @param options - `tls`: speaks TLS itself, as an `https://` proxy */
export async function startSquid(options: { user?: ProxyUser; tls?: TlsIdentity } = {}): Promise<RealProxy> {
  const { user, tls } = options;
  return await start('squid', async ({ dir, port, log }) => {
    const users =
      user === undefined
        ? []
        : [
            `auth_param basic program ${SQUID_AUTH} ${await file(dir, 'users', [`${user.user}:${apr1(user.password)}`])}`,
            'acl known proxy_auth REQUIRED',
            'http_access deny !known',
          ];
    const listen =
      tls === undefined
        ? `http_port 127.0.0.1:${port}`
        : `https_port 127.0.0.1:${port} tls-cert=${await file(dir, 'cert.pem', [tls.cert])} tls-key=${await file(dir, 'key.pem', [tls.key])}`;
    const config = [
      listen,
      ...users,
      'http_access allow all',
      `access_log stdio:${log}`,
      `cache_log ${join(dir, 'cache.log')}`,
      'cache deny all',
      'pid_filename none',
      'pinger_enable off',
      // Otherwise its tables grow with the limit of this process.
      'max_filedescriptors 1024',
      'shutdown_lifetime 0 seconds',
    ];
    return ['squid', '-N', '-f', await file(dir, 'squid.conf', config)];
  });
}

/** SOCKS5. With a user: username authentication (RFC 1929), else none. */
export async function startDante(options: { user?: ProxyUser } = {}): Promise<RealProxy> {
  const { user } = options;
  return await start('danted', async ({ dir, port, log }) => {
    const config = [
      `logoutput: ${log}`,
      `internal: 127.0.0.1 port = ${port}`,
      'external: 127.0.0.1',
      `socksmethod: ${user === undefined ? 'none' : 'username'}`,
      'clientmethod: none',
      'user.privileged: root',
      'user.unprivileged: root',
      'client pass { from: 0.0.0.0/0 to: 0.0.0.0/0 }',
      'socks pass { from: 0.0.0.0/0 to: 0.0.0.0/0 log: connect error }',
    ];
    const command = ['danted', '-N', '1', '-f', await file(dir, 'danted.conf', config)];
    if (user === undefined) return command;
    // Its users are those of the system: this process alone sees a system with one more.
    const passwd = await file(dir, 'passwd', [
      (await readFile('/etc/passwd', 'utf8')).trim(),
      `${user.user}:x:64999:64999::/:/bin/false`,
    ]);
    const shadow = await file(dir, 'shadow', [`${user.user}:${sha512(user.password)}:19000:0:99999:7:::`]);
    const script = 'mount --bind "$1" /etc/passwd && mount --bind "$2" /etc/shadow && shift 2 && exec "$@"';
    return ['unshare', '--mount', 'sh', '-c', script, 'sh', passwd, shadow, ...command];
  });
}

interface Place {
  readonly dir: string;
  readonly port: number;
  readonly log: string;
}

async function start(name: string, prepare: (place: Place) => Promise<readonly string[]>): Promise<RealProxy> {
  const dir = await mkdtemp(join(tmpdir(), `hf-${name}-`));
  // squid gives up root and still writes here.
  await chmod(dir, 0o777);
  const log = join(dir, 'proxy.log');
  const port = await freePort();
  const [command = '', ...args] = await prepare({ dir, port, log });
  let child = launch(name, command, args);
  const stop = () => endGroup(child.process);
  try {
    await listening(name, child, port);
  } catch (error) {
    await stop();
    await rm(dir, { recursive: true, force: true });
    throw error;
  }
  const read = async () => (existsSync(log) ? await readFile(log, 'utf8') : '');
  return {
    port,
    log: read,
    // danted writes addresses as 127.0.0.1.1080.
    async carried(target) {
      const line = new RegExp(`127\\.0\\.0\\.1[.:]${target}\\b`);
      await waitUntil(`${name} to carry port ${target}`, async () => line.test(await read()));
    },
    stop,
    async restart() {
      await stop();
      child = launch(name, command, args);
      await listening(name, child, port);
    },
    async [Symbol.asyncDispose]() {
      await stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

interface Running {
  readonly process: ChildProcess;
  said(): string;
}

function launch(name: string, command: string, args: readonly string[]): Running {
  const child = spawn(command, args, { env: ENV, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  if (child.pid === undefined) throw new Error(`${name} could not be started`);
  running.add(child.pid);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      said += chunk.toString('utf8');
    });
  }
  return { process: child, said: () => said };
}

async function listening(name: string, child: Running, port: number): Promise<void> {
  await waitUntil(
    `${name} to listen`,
    async () => {
      if (child.process.exitCode !== null) throw new Error(`${name} ended: ${child.said().slice(-2_000)}`);
      return await answers(port);
    },
    { timeoutMs: READY_DEADLINE_MS, explain: () => child.said().slice(-2_000) },
  );
}

/** A test run that ends early leaves no proxy behind. */
const running = new Set<number>();
process.once('exit', () => {
  for (const pid of running) signalProcess(-pid, 'SIGKILL');
});

async function endGroup(child: ChildProcess): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  // Helpers and workers of a proxy are in its group.
  signalProcess(-pid, 'SIGKILL');
  await ended;
  running.delete(pid);
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const end = (answer: boolean) => {
      socket.destroy();
      resolve(answer);
    };
    socket.once('connect', () => end(true)).once('error', () => end(false));
  });
}

async function file(dir: string, name: string, lines: readonly string[]): Promise<string> {
  const path = join(dir, name);
  await writeFile(path, `${lines.join('\n')}\n`, { mode: 0o644 });
  return path;
}

function apr1(password: string): string {
  return hashed('-apr1', password);
}

function sha512(password: string): string {
  return hashed('-6', password);
}

function hashed(kind: string, password: string): string {
  return spawnSync('openssl', ['passwd', kind, '-stdin'], { input: password, encoding: 'utf8' }).stdout.trim();
}
