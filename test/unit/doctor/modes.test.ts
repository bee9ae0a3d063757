/** What doctor says of files that others can read or change. */
import { chmodSync, chownSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { modeFindings } from '../../../src/doctor/check-modes.ts';
import { folderWith } from '../config/load.ts';

const SECRET = '4711:a-secret-of-the-test-of-modes';
const isRoot = process.getuid?.() === 0;
if (!isRoot) process.stderr.write('doctor/modes: files of another user need root: skipped\n');

function installation(token: string) {
  const cwd = folderWith({
    'holdfast.yaml': `connections: [{ id: tg, platform: telegram, ${token} }]\n`,
    'token.txt': SECRET,
  });
  for (const name of ['holdfast.yaml', 'token.txt']) chmodSync(join(cwd, name), 0o600);
  const config = loadConfig({ cwd, env: { TG: SECRET } });
  return { cwd, look: (...folders: string[]) => modeFindings(config, folders) };
}

describe('modes (L5)', () => {
  it('are well where nobody else can read or change anything', async () => {
    const { look } = installation(`token: "${SECRET}"`);
    expect(await look()).toEqual([expect.objectContaining({ check: 'modes', status: 'ok' })]);
  });

  it('of a file with secrets in it that everybody can read are told with the keys, and no value', async () => {
    const { cwd, look } = installation(`token: "${SECRET}"`);
    chmodSync(join(cwd, 'holdfast.yaml'), 0o644);
    const [finding, ...others] = await look();
    expect(others).toEqual([]);
    expect(finding).toMatchObject({ status: 'warn', subject: join(cwd, 'holdfast.yaml') });
    expect(finding?.message).toBe(
      'holds secrets (connections[0] (tg).token) and can be read by every user of this machine',
    );
    expect(finding?.fix).toMatch(/^chmod 600 /);
    expect(JSON.stringify(finding)).not.toContain(SECRET);
  });

  it.each([`token: "$\{TG}"`, 'tokenFile: token.txt'])(
    'of a file without secrets in it are free: %s',
    async (token) => {
      const { cwd, look } = installation(token);
      chmodSync(join(cwd, 'holdfast.yaml'), 0o644);
      expect((await look()).map(({ status }) => status)).toEqual(['ok']);
    },
  );

  it('of a secret file, and of what others can change', async () => {
    const { cwd, look } = installation('tokenFile: token.txt');
    chmodSync(join(cwd, 'token.txt'), 0o644);
    chmodSync(join(cwd, 'holdfast.yaml'), 0o620);
    const told = (await look()).map(({ status, subject, message }) => [status, subject, message]);
    expect(told).toEqual([
      ['fail', join(cwd, 'holdfast.yaml'), 'can be changed by other users of this machine'],
      ['warn', join(cwd, 'token.txt'), 'is a secret that every user of this machine can read'],
    ]);
  });

  it('of what Holdfast keeps, as an older version left it (L4)', async () => {
    const { cwd, look } = installation(`token: "${SECRET}"`);
    const folder = join(cwd, '.holdfast');
    mkdirSync(join(folder, 'redis'), { recursive: true, mode: 0o700 });
    writeFileSync(join(folder, 'redis', 'appendonly.aof.1.incr.aof'), '');
    chmodSync(join(folder, 'redis', 'appendonly.aof.1.incr.aof'), 0o644);
    expect(await look(folder, join(cwd, 'nowhere'))).toEqual([
      expect.objectContaining({
        status: 'warn',
        message: expect.stringMatching(/incr\.aof can be read by others once/),
      }),
    ]);
    chmodSync(folder, 0o755);
    expect((await look(folder))[0]).toMatchObject({ status: 'fail', message: 'is open to other users' });
  });

  it.skipIf(!isRoot)('of what a start as another user left behind', async () => {
    const { cwd, look } = installation(`token: "${SECRET}"`);
    const folder = join(cwd, '.holdfast');
    mkdirSync(folder, { mode: 0o700 });
    writeFileSync(join(folder, 'redis.json'), '{}', { mode: 0o600 });
    chownSync(join(folder, 'redis.json'), 65_534, 65_534);
    expect((await look(folder))[0]?.message).toBe('redis.json belong to another user than the folder');
  });
});
