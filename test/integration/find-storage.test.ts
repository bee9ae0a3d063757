/** Where a running installation is noted, and that nobody else decides it. */
import { createHash } from 'node:crypto';
import { chmod, chown, lstat, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import { createLogger } from '../../src/log.ts';
import { notePlace, openReader } from '../../src/run/find-storage.ts';
import { acquireRedis } from '../../src/state/embedded-redis.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('find-storage: files of another user need root: skipped\n');
const asRoot = isRoot ? it : it.skip;
const log = createLogger({ name: 'test', level: 'silent', pretty: false });
const signal = new AbortController().signal;

let root: string;
let file: string;
let cwd: string;
/** Shared, as /tmp is. */
let temporary: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'hf-places-')));
  await chmod(root, 0o755);
  file = join(root, 'etc', 'holdfast.yaml');
  cwd = join(root, 'data');
  temporary = join(root, 'tmp');
  for (const folder of ['etc', 'data', 'home', 'tmp']) await mkdir(join(root, folder));
  await chmod(temporary, 0o1777);
  await writeFile(file, 'connections: []\n', { mode: 0o600 });
  vi.stubEnv('TMPDIR', temporary);
  vi.stubEnv('HOME', join(root, 'home'));
  vi.stubEnv('XDG_STATE_HOME', '');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(root, { recursive: true, force: true });
});

const pointerName = () => `${createHash('sha256').update(file).digest('hex').slice(0, 24)}.json`;
const config = () => loadConfig({ file, secrets: 'unneeded', env: {} });

/** What `status` would talk to, asked for from elsewhere. */
async function found(): Promise<unknown> {
  const reader = await openReader(config(), file, root);
  reader.close();
  return reader.address;
}

describe('the place of an installation', () => {
  it('is noted in the state folder of the user, for that user alone', async () => {
    const pointer = await notePlace(file, cwd);
    expect(pointer).toBe(join(root, 'home', '.local', 'state', 'holdfast', 'places', pointerName()));
    expect((await lstat(pointer as string)).mode & 0o777).toBe(0o600);
    expect((await lstat(join(pointer as string, '..'))).mode & 0o777).toBe(0o700);

    vi.stubEnv('XDG_STATE_HOME', join(root, 'home', 'elsewhere'));
    expect(await notePlace(file, cwd)).toMatch(/\/home\/elsewhere\/holdfast\/places\//);
  });

  it('is found from anywhere by its configuration, also where a process of version 0.1.0 noted it', async () => {
    await using redis = await acquireRedis({ dir: join(cwd, '.holdfast'), log, signal });
    await expect(found()).rejects.toThrow(/no embedded Redis is running in .*: is holdfast up\?/);
    await notePlace(file, cwd);
    expect(await found()).toEqual({ path: redis.path });

    await rm(join(root, 'home', '.local'), { recursive: true });
    const old = join(temporary, `holdfast-places-${process.getuid?.()}`);
    await mkdir(old, { mode: 0o700 });
    await writeFile(join(old, pointerName()), JSON.stringify({ cwd }), { mode: 0o600 });
    expect(await found()).toEqual({ path: redis.path });
  });

  it('is noted through no link that lies in the way (H4)', async () => {
    const victim = join(root, 'victim');
    await writeFile(victim, 'untouched', { mode: 0o600 });
    const places = join(root, 'home', '.local', 'state', 'holdfast', 'places');
    await mkdir(places, { recursive: true });
    await symlink(victim, join(places, pointerName()));
    await notePlace(file, cwd);
    expect(await readFile(victim, 'utf8')).toBe('untouched');
    expect((await lstat(join(places, pointerName()))).isSymbolicLink()).toBe(false);
  });

  asRoot('is neither noted in nor read from a folder that another user put into /tmp (H4)', async () => {
    const victim = join(root, 'victim');
    await writeFile(victim, 'untouched', { mode: 0o600 });
    const planted = join(temporary, 'holdfast-places-0');
    await mkdir(planted);
    await symlink(victim, join(planted, pointerName()));
    await chown(planted, NOBODY, NOBODY);
    await notePlace(file, cwd);
    expect(await readFile(victim, 'utf8')).toBe('untouched');

    await rm(join(root, 'home', '.local'), { recursive: true });
    await rm(join(planted, pointerName()));
    await writeFile(join(planted, pointerName()), JSON.stringify({ cwd }));
    await using _redis = await acquireRedis({ dir: join(cwd, '.holdfast'), log, signal });
    await expect(found()).rejects.toThrow(/no embedded Redis is running/);
  });

  asRoot("is not noted in another user's home, where sudo left HOME as it was", async () => {
    await chown(join(root, 'home'), NOBODY, NOBODY);
    expect(await notePlace(file, cwd)).toBeNull();
    await expect(lstat(join(root, 'home', '.local'))).rejects.toMatchObject({ code: 'ENOENT' });
  });

  asRoot('that another user offers where the command is started is passed over, and told (H4)', async () => {
    await mkdir(join(temporary, '.holdfast'));
    await chown(join(temporary, '.holdfast'), NOBODY, NOBODY);
    await using redis = await acquireRedis({ dir: join(cwd, '.holdfast'), log, signal });
    await expect(openReader(config(), undefined, temporary)).rejects.toThrow(/\.holdfast belongs to user 65534/);
    await notePlace(file, cwd);
    const reader = await openReader(config(), file, temporary);
    reader.close();
    expect(reader.address).toEqual({ path: redis.path });
  });
});
