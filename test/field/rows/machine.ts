/** What another user of the machine, its disks, its service manager and its port can do to an installation. */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  realpath,
  rename,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CLI } from '../../support/served-process.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { call } from '../../support/web-bench.ts';
import { replay } from '../row.ts';
import { askTelegram } from '../stage.ts';

const NOBODY = 65_534;
const needsRoot = process.getuid?.() === 0 ? null : 'files of another user: only root can make them';

/** A folder as /tmp is. */
async function sharedFolder(): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'hf-shared-')));
  await chmod(folder, 0o1777);
  return folder;
}

replay('on the machine', [
  {
    id: 'H4',
    must: 'overwrite no file through a link that another user put into /tmp, and be found by status all the same',
    cannot: needsRoot,
    async run(stage) {
      const temporary = await sharedFolder();
      stage.defer(() => rm(temporary, { recursive: true }));
      const installation = await stage.install({ connections: [], env: { TMPDIR: temporary } });
      const victim = join(installation.dir, 'victim');
      await writeFile(victim, 'untouched', { mode: 0o600 });
      const name = createHash('sha256')
        .update(await realpath(installation.configFile))
        .digest('hex')
        .slice(0, 24);
      const planted = join(temporary, 'holdfast-places-0');
      await mkdir(planted);
      await symlink(victim, join(planted, `${name}.json`));
      await chown(planted, NOBODY, NOBODY);

      await installation.up();
      expect(await readFile(victim, 'utf8')).toBe('untouched');
      const status = await installation.run(['-c', installation.configFile, 'status'], { cwd: '/' });
      expect([status.stderr, status.code]).toEqual(['', 0]);
      expect(await readdir(temporary)).toEqual(['holdfast-places-0']);
    },
  },
  {
    id: 'H4b',
    must: 'start no Redis in a folder that another user made first, and name it',
    cannot: needsRoot,
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      await chmod(installation.dir, 0o1777);
      await mkdir(join(installation.dir, '.holdfast'));
      await chown(join(installation.dir, '.holdfast'), NOBODY, NOBODY);
      const refused = await installation.run(['up']);
      expect(refused.code).toBe(2);
      expect(refused.stdout).toMatch(/\.holdfast belongs to user 65534 and not to us \(user 0\): move it away/);
      expect(await readdir(join(installation.dir, '.holdfast'))).toEqual([]);
    },
  },
  {
    id: 'L4',
    must: 'keep what Redis writes from other users, also once it is copied out of its folder',
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      await installation.up();
      const data = join(installation.dir, '.holdfast', 'redis');
      const files = await readdir(data, { recursive: true });
      expect(files.length).toBeGreaterThan(2);
      for (const file of files) expect((await stat(join(data, file))).mode & 0o077, file).toBe(0);
    },
  },
  {
    id: 'M3',
    must: 'ask for a token on loopback that no other user can read, and that no log tells',
    async run(stage) {
      const { installation, up, telegram } = await stage.echoing({ on: ['telegram'], rest: { http: { port: 0 } } });
      const { url, tokenFile } = await up.waitForLine(({ event }) => event === 'web');
      expect(await askTelegram(telegram, 11, 'hello')).toEqual(['echo: hello']);
      const path = String(tokenFile);
      const token = (await readFile(path, 'utf8')).trim();
      expect((await stat(path)).mode & 0o777).toBe(0o600);
      const push = (headers: Record<string, string>) =>
        call(`${url}/v1/messages`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify({ connection: 'tg-main', conversation: 'chat:11', text: 'from the outside' }),
        });
      for (const each of ['/', '/api/status', '/api/messages/dead', '/api/events', '/metrics', '/admin/queues']) {
        expect([each, (await call(`${url}${each}`)).status]).toEqual([each, 401]);
      }
      expect((await push({})).status).toBe(401);
      expect((await call(`${url}/api/connections/tg-main/pause`, { method: 'POST' })).status).toBe(401);
      expect((await push({ authorization: `Bearer ${token}` })).status).toBe(202);
      await waitUntil('the message that was let in', () => telegram.bot().delivered(11).length > 1);
      expect(
        telegram
          .bot()
          .delivered(11)
          .map(({ text }) => text),
      ).toEqual(['echo: hello', 'from the outside']);
      expect((await installation.connection('tg-main')).state).toBe('live');
      expect(installation.output()).not.toContain(token);
    },
  },
  {
    id: 'M9',
    must: 'answer health checks and people while a thousand half requests stand, and tell of them in a line or two',
    async run(stage) {
      const { installation, up } = await stage.echoing({ on: ['telegram'], rest: { http: { port: 0 } } });
      const { url, tokenFile } = await up.waitForLine(({ event }) => event === 'web');
      const authorization = `Bearer ${(await readFile(String(tokenFile), 'utf8')).trim()}`;
      const { port } = new URL(String(url));
      const sockets = Array.from({ length: 1_000 }, () => connect(Number(port), '127.0.0.1'));
      stage.defer(() => {
        for (const socket of sockets) socket.destroy();
      });
      for (const socket of sockets) socket.on('error', () => undefined).write('POST /login HTTP/1.1\r\nHost: x\r\n');
      for (let round = 0; round < 5; round += 1) {
        expect((await call(`${url}/healthz`)).status).toBe(200);
        expect((await call(`${url}/readyz`)).status).toBe(200);
        expect((await call(`${url}/api/status`, { headers: { authorization } })).status).toBe(200);
      }
      await up.waitForLine(({ event }) => event === 'web.refused-sockets');
      expect(up.lines.filter(({ event }) => event === 'web.refused-sockets').length).toBeLessThanOrEqual(2);
      expect((await installation.connection('tg-main')).state).toBe('live');
    },
  },
  {
    id: 'L5',
    must: 'tell by doctor that every user can read the secrets in the configuration',
    async run(stage) {
      const installation = await stage.install({ connections: [], http: { adminToken: 'a-token-in-the-file-itself' } });
      await chmod(installation.configFile, 0o644);
      const { stdout } = await installation.run(['doctor', '--json']);
      const { findings } = JSON.parse(stdout) as { findings: { check: string; status: string; message: string }[] };
      expect(findings.filter(({ check }) => check === 'modes')).toEqual([
        expect.objectContaining({
          status: 'warn',
          message: 'holds secrets (http.adminToken) and can be read by every user of this machine',
        }),
      ]);
    },
  },
  {
    id: 'G22',
    must: 'say that a configuration file is mounted alone, and when it was replaced on the host',
    cannot: needsRoot,
    async run(stage) {
      const installation = await stage.install({ connections: [] });
      const host = join(installation.dir, 'host.yaml');
      await writeFile(host, await readFile(installation.configFile));
      const mount = [
        'unshare',
        '--mount',
        'sh',
        '-c',
        `mount --bind ${host} ${installation.configFile} && exec "$@"`,
        'sh',
      ];
      const up = await installation.startVia(mount, 'up').ready();
      await up.waitForLine(({ event }) => event === 'config.mounted-alone');
      // As editors save, and sed -i.
      await writeFile(`${host}.new`, `${await readFile(host, 'utf8')}log: { level: debug }\n`);
      await rename(`${host}.new`, host);
      const said = await up.waitForLine(({ event }) => event === 'config.replaced');
      expect(said.msg).toContain(`${installation.configFile} was replaced where it is mounted from`);
      const restartNeeded = async () => (await installation.status()).workers.flatMap((worker) => worker.restartNeeded);
      await waitUntil('status to say so', async () => (await restartNeeded()).length > 0);
      expect((await restartNeeded())[0]).toBe(`${installation.configFile} (another file since)`);
      const doctor = await new Promise<string>((resolve, reject) =>
        execFile(
          'nsenter',
          ['-t', String(up.pid), '-m', '-w', process.execPath, CLI, '-c', installation.configFile, 'doctor', '--json'],
          { env: { PATH: process.env.PATH, HOME: installation.dir } },
          (error, stdout) => (stdout === '' ? reject(error) : resolve(stdout)),
        ),
      );
      expect(JSON.parse(doctor).findings).toContainEqual(
        expect.objectContaining({ check: 'mounts', status: 'fail', subject: installation.configFile }),
      );
    },
  },
]);
