import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLogger } from '../../src/log.ts';
import { acquireRedis, type EmbeddedRedis, findRedis } from '../../src/state/embedded-redis.ts';
import { isRedisRunning } from '../../src/state/redis-process.ts';

const USER_PROGRAM = fileURLToPath(new URL('../support/redis-user-process.ts', import.meta.url));
const log = createLogger({ name: 'test', level: 'silent', pretty: false });
const signal = new AbortController().signal;
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('embedded-redis: folders of another user need root: skipped\n');
const asRoot = isRoot ? it : it.skip;

let root: string;
let dir: string;
const users: ChildProcess[] = [];
const servers = new Set<number>();

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'hf-embedded-'));
  dir = join(root, '.holdfast');
});

afterEach(() => {
  for (const user of users.splice(0)) user.kill('SIGKILL');
  for (const pid of servers) if (isRedisRunning(pid)) process.kill(pid, 'SIGKILL');
  servers.clear();
  rmSync(root, { recursive: true, force: true });
});

/** Acquires in this process. */
async function acquire(folder = dir): Promise<EmbeddedRedis> {
  const redis = await acquireRedis({ dir: folder, log, signal });
  servers.add(await serverPid(redis.path));
  return redis;
}

/** Runs commands over a connection that does not count as a user. */
async function ask<T>(path: string, run: (client: Redis) => Promise<T>): Promise<T> {
  const client = new Redis({ path, maxRetriesPerRequest: 0, retryStrategy: () => null });
  client.on('error', () => {});
  try {
    return await run(client);
  } finally {
    client.disconnect();
  }
}

const serverPid = (path: string) =>
  ask(path, async (client) => Number(/process_id:(\d+)/.exec(await client.info('server'))?.[1]));

interface UserEvent {
  readonly event: string;
  readonly path: string;
  readonly adopted: boolean;
}

/** A user in a process (and process group) of its own. */
function startUser() {
  const child = spawn(process.execPath, ['--import', 'tsx', USER_PROGRAM, dir], {
    stdio: ['pipe', 'pipe', 'inherit'],
    detached: true,
  });
  users.push(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async (event: string): Promise<UserEvent> => {
    const { value } = await lines.next();
    const said = JSON.parse(value ?? '{"event":"ended"}') as UserEvent;
    expect(said.event).toBe(event);
    return said;
  };
  return {
    pid: child.pid as number,
    acquired: async () => {
      const said = await next('acquired');
      servers.add(await serverPid(said.path));
      return said;
    },
    interrupted: () => next('interrupted'),
    release: async () => {
      child.stdin.write('release\n');
      await next('released');
    },
    kill: async () => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    },
  };
}

describe('an embedded Redis', () => {
  it('keeps its data in a private folder, on a unix socket, with every write synced', async () => {
    await using redis = await acquire();
    expect(redis.adopted).toBe(false);
    expect(redis.path).toBe(join(dir, 'redis.sock'));
    expect(statSync(dir).mode & 0o777).toBe(0o700);
    expect(statSync(redis.path).mode & 0o777).toBe(0o700);
    const settings = await ask(redis.path, (client) =>
      client.config('GET', 'appendonly', 'appendfsync', 'maxmemory-policy', 'port'),
    );
    expect(settings).toEqual(
      expect.arrayContaining([
        'appendonly',
        'yes',
        'appendfsync',
        'always',
        'maxmemory-policy',
        'noeviction',
        'port',
        '0',
      ]),
    );
  });

  it('writes files for its user alone, and what an older version left open is closed (L4)', async () => {
    const files = () =>
      readdirSync(join(dir, 'redis'), { recursive: true, encoding: 'utf8' }).map((name) => join(dir, 'redis', name));
    const first = await acquire();
    await ask(first.path, (client) => client.set('kept', 'yes'));
    await first.release();
    const modes = () => files().map((file) => statSync(file).mode & 0o077);
    expect(modes().length).toBeGreaterThan(2);
    expect(new Set(modes())).toEqual(new Set([0]));

    for (const file of files()) chmodSync(file, statSync(file).isDirectory() ? 0o755 : 0o644);
    await using again = await acquire();
    expect(new Set(modes())).toEqual(new Set([0]));
    expect(await ask(again.path, (client) => client.get('kept'))).toBe('yes');
  });

  it('is shared by two processes and stopped by the last one', async () => {
    const first = startUser();
    const { path, adopted } = await first.acquired();
    const second = startUser();
    expect(await second.acquired()).toMatchObject({ path, adopted: !adopted });
    const pid = await serverPid(path);

    await first.release();
    expect(await serverPid(path)).toBe(pid);
    await second.release();
    expect(isRedisRunning(pid)).toBe(false);
    expect(await findRedis({ dir })).toBeUndefined();
  });

  it('is started once when several processes ask at the same moment', async () => {
    const all = [startUser(), startUser(), startUser(), startUser()];
    const answers = await Promise.all(all.map((user) => user.acquired()));
    expect(answers.filter(({ adopted }) => !adopted)).toHaveLength(1);
    expect(servers.size).toBe(1);
    await Promise.all(all.map((user) => user.release()));
    expect([...servers].some(isRedisRunning)).toBe(false);
  });

  it('survives the SIGKILL of its user and is adopted by the next, whose release stops it', async () => {
    const first = startUser();
    const { path } = await first.acquired();
    const pid = await serverPid(path);
    await first.kill();

    const redis = await acquire();
    expect(redis.adopted).toBe(true);
    expect(await serverPid(redis.path)).toBe(pid);
    await redis.release();
    expect(isRedisRunning(pid)).toBe(false);
  });

  it('does not count a user that was killed', async () => {
    const redis = await acquire();
    const other = startUser();
    await other.acquired();
    const pid = await serverPid(redis.path);
    await other.kill();
    await redis.release();
    expect(isRedisRunning(pid)).toBe(false);
  });

  it('is not reached by a Ctrl-C meant for its user', async () => {
    const user = startUser();
    const { path } = await user.acquired();
    const pid = await serverPid(path);
    process.kill(-user.pid, 'SIGINT');
    await user.interrupted();
    expect(await serverPid(path)).toBe(pid);
    await user.release();
  });

  it('keeps its data over a stop and start', async () => {
    const before = await acquire();
    await ask(before.path, (client) => client.set('kept', 'yes'));
    await before.release();
    const after = await acquire();
    expect(after.adopted).toBe(false);
    expect(await ask(after.path, (client) => client.get('kept'))).toBe('yes');
    await after.release();
  });

  it('is started again, with its data, when it dies under its users', async () => {
    await using redis = await acquire();
    const pid = await serverPid(redis.path);
    await ask(redis.path, (client) => client.set('kept', 'yes'));
    process.kill(pid, 'SIGKILL');
    await vi.waitFor(async () => expect(await ask(redis.path, (client) => client.get('kept'))).toBe('yes'), {
      timeout: 20_000,
    });
    const next = await serverPid(redis.path);
    servers.add(next);
    expect(next).not.toBe(pid);
  });

  it('uses a socket in the temporary folder when its own path is too long for one, and is found there', async () => {
    const deep = join(root, 'd'.repeat(60), 'e'.repeat(60), '.holdfast');
    const redis = await acquire(deep);
    expect(Buffer.byteLength(redis.path)).toBeLessThanOrEqual(100);
    expect(await findRedis({ dir: deep })).toEqual({ path: redis.path });
    expect(statSync(join(redis.path, '..')).mode & 0o777).toBe(0o700);
    await redis.release();
    expect(await findRedis({ dir: deep })).toBeUndefined();
    rmSync(join(redis.path, '..'), { recursive: true });
  });

  it('is not looked for behind a link that leads to a run file of others (H4)', async () => {
    const redis = await acquire();
    const planted = join(root, 'planted.json');
    writeFileSync(planted, JSON.stringify({ dir, socket: join(root, 'redis.sock'), pid: 1 }));
    unlinkSync(join(dir, 'redis.json'));
    symlinkSync(planted, join(dir, 'redis.json'));
    await expect(findRedis({ dir })).rejects.toThrow(/redis\.json cannot be used: a link is in the way: remove it/);
    unlinkSync(join(dir, 'redis.json'));
    await redis.release();
  });

  asRoot('is not looked for where somebody else keeps its socket, and says whose it is (H4)', async () => {
    const deep = join(root, 'd'.repeat(60), 'e'.repeat(60), '.holdfast');
    const redis = await acquire(deep);
    const folder = join(redis.path, '..');
    await redis.release();
    chownSync(folder, 65_534, 65_534);
    await expect(findRedis({ dir: deep })).rejects.toThrow(/belongs to user 65534/);
    await expect(acquireRedis({ dir: deep, log, signal })).rejects.toThrow(/belongs to user 65534/);
    rmSync(folder, { recursive: true });
  });

  asRoot('is not started in a folder that somebody else put into a shared place (H4)', async () => {
    chmodSync(root, 0o1777);
    mkdirSync(dir, { mode: 0o755 });
    chownSync(dir, 65_534, 65_534);
    await expect(acquireRedis({ dir, log, signal })).rejects.toThrow(/\.holdfast belongs to user 65534 and not to us/);
    await expect(findRedis({ dir })).rejects.toThrow(/belongs to user 65534/);
    expect(readdirSync(dir)).toEqual([]);
    expect(statSync(dir).mode & 0o777).toBe(0o755);
  });

  it('waits for a starter and takes over the lock of one that died', async () => {
    mkdirSync(dir, { recursive: true });
    mkdirSync(join(dir, 'redis.lock'));
    await using redis = await acquire();
    expect(redis.adopted).toBe(false);
  });

  it('never starts a second server on the data of one that is alive but cannot be reached', async () => {
    const redis = await acquire();
    const pid = await serverPid(redis.path);
    unlinkSync(redis.path);
    // Its connection still stands, so the first user is not disturbed; the newcomer must stop the server before it starts one.
    const newcomer = await acquire();
    expect(newcomer.adopted).toBe(false);
    expect(isRedisRunning(pid)).toBe(false);
    await redis.release();
    await newcomer.release();
  });

  it('is not mistaken for the server of a folder that was copied from its own', async () => {
    await using redis = await acquire();
    const copy = join(root, 'copy');
    mkdirSync(copy);
    cpSync(join(dir, 'redis.json'), join(copy, 'redis.json'));
    await using other = await acquire(copy);
    expect(other.adopted).toBe(false);
    expect(other.path).not.toBe(redis.path);
  });

  it('takes the sync policy of the latest user', async () => {
    await using redis = await acquire();
    await using second = await acquireRedis({ dir, log, signal, appendfsync: 'everysec' });
    expect(await ask(second.path, (client) => client.config('GET', 'appendfsync'))).toEqual([
      'appendfsync',
      'everysec',
    ]);
    expect(second.path).toBe(redis.path);
  });

  it('says what the log of a server says that cannot start', async () => {
    const redis = await acquire();
    await ask(redis.path, (client) => client.set('a', '1'));
    await redis.release();
    const manifest = join(dir, 'redis', 'appendonlydir', 'appendonly.aof.manifest');
    expect(readFileSync(manifest, 'utf8')).toContain('file ');
    writeFileSync(manifest, 'not a manifest\n');
    chmodSync(manifest, 0o600);
    await expect(acquire()).rejects.toThrow(/ended at once[\s\S]*manifest/);
  });

  it('gives up waiting when the signal aborts', async () => {
    mkdirSync(dir, { recursive: true });
    const redis = await acquire();
    process.kill(await serverPid(redis.path), 'SIGSTOP');
    const controller = new AbortController();
    const waiting = acquireRedis({ dir, log, signal: controller.signal });
    controller.abort(new Error('stopping'));
    await expect(waiting).rejects.toThrow('stopping');
    process.kill([...servers][0] as number, 'SIGCONT');
    await redis.release();
  });
});

describe('findRedis', () => {
  it('starts nothing and creates nothing', async () => {
    expect(await findRedis({ dir })).toBeUndefined();
    expect(statSync(dir, { throwIfNoEntry: false })).toBeUndefined();
  });
});
