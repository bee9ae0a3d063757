/** The web role in whole installations: in `up`, and as a process of its own that outlives the others. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { install, qqConnection } from '../support/installation.ts';
import { freePort } from '../support/redis.ts';
import { CLI, type ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call } from '../support/web-bench.ts';

const TOKEN = 'a-token-for-the-system-tests-of-web';
const ADMIN = 'WEB_TEST_ADMIN_TOKEN';
const noTerminal = spawnSync('script', ['--version']).status !== 0;
if (noTerminal) console.warn('web.test.ts is skipped in part: script is missing (apt-get install bsdutils)');

/** Answers at the address that the process logged, to who knows its token: the one that it made, or else ours. */
async function webOf(served: ServedProcess) {
  const { url, tokenFile } = await served.waitForLine(({ event }) => event === 'web');
  const token = tokenFile === undefined ? TOKEN : (await readFile(String(tokenFile), 'utf8')).trim();
  const headers = { authorization: `Bearer ${token}` };
  return { url: String(url), headers, token, tokenFile, get: (path: string) => call(`${url}${path}`, { headers }) };
}

/** Somebody else listens there, as far as we could get it. */
async function occupy(port: number): Promise<Server> {
  const server = createServer();
  await new Promise<void>((resolve) => {
    server.once('error', () => resolve());
    server.listen(port, '127.0.0.1', resolve);
  });
  return server;
}

describe('up', () => {
  it('answers by itself: alive, ready, and the document of `status --json`; not ready while its platform is dead (F33)', async () => {
    await using qq = await startQq();
    await using installation = await install({ connections: [qqConnection(qq)], http: { port: 0 } });
    const up = await installation.up();
    await installation.live();
    const web = await webOf(up);
    expect(web.url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect((await web.get('/healthz')).json()).toEqual({ status: 'ok' });
    await waitUntil('ready', async () => (await web.get('/readyz')).status === 200);

    const shown = JSON.parse((await installation.run(['status', '--json'])).stdout);
    const given = (await web.get('/api/status')).json();
    expect(shapeOf(given)).toEqual(shapeOf(shown));
    expect(given.connections[0]).toMatchObject({ id: 'qq-main', state: 'live', owner: shown.connections[0].owner });
    expect(given.workers.map(({ roles }: { roles: string[] }) => roles)).toContainEqual([
      'scheduler',
      'delivery',
      'web',
    ]);

    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    await waitUntil('not ready', async () => (await web.get('/readyz')).status === 503);
    expect((await web.get('/readyz')).json().reasons).toEqual(['none of 1 connections is live']);
    expect((await web.get('/healthz')).status).toBe(200);
    await qq.faults.acceptDials();
    await waitUntil('ready again', async () => (await web.get('/readyz')).status === 200);

    const pause = { method: 'POST', headers: web.headers } as const;
    expect((await call(`${web.url}/api/connections/qq-main/pause`, pause)).status).toBe(202);
    await installation.waitFor('to be paused', ({ state }) => state === 'paused');
    expect(await up.stop()).toMatchObject({ code: 0 });
    await expect(web.get('/healthz')).rejects.toThrow(/ECONNREFUSED/);
  });

  it('makes a token that its log does not tell, keeps it over a restart, and "login" prints a link that works once (M3)', async () => {
    const port = await freePort();
    await using installation = await install({ connections: [], http: { port } });
    const first = await installation.up();
    const web = await webOf(first);
    expect(web.tokenFile).toBe(join(installation.dir, '.holdfast', 'admin-token'));
    expect((await stat(String(web.tokenFile))).mode & 0o777).toBe(0o600);
    expect(web.token).toMatch(/^[0-9a-f]{48}$/);
    expect((await call(`${web.url}/api/status`)).status).toBe(401);
    expect((await web.get('/api/status')).status).toBe(200);

    const login = await installation.run(['-c', installation.configFile, 'login'], { cwd: '/' });
    expect([login.code, login.stderr]).toEqual([0, 'good once, for 10 minutes\n']);
    const link = login.stdout.trim();
    expect(link).toMatch(new RegExp(`^http://127\\.0\\.0\\.1:${port}/login\\?code=[\\w.-]+$`));
    const followed = await call(link);
    const cookie = String(followed.headers['set-cookie']).split(';')[0] ?? '';
    expect([followed.status, followed.headers.location]).toEqual([303, '/']);
    expect((await call(`${web.url}/api/status`, { headers: { cookie } })).status).toBe(200);
    await first.stop();

    const second = await installation.up();
    expect((await webOf(second)).token).toBe(web.token);
    expect((await call(link)).status).toBe(401);
    expect((await call(`${web.url}/api/status`, { headers: { cookie } })).status).toBe(200);
    await second.stop();
    for (const secret of [web.token, link.split('=')[1] ?? '', cookie.split('=')[1] ?? '']) {
      expect(installation.output()).not.toContain(secret);
    }

    await rm(String(web.tokenFile));
    const third = await installation.up();
    expect((await webOf(third)).token).not.toBe(web.token);
    expect((await call(`${web.url}/api/status`, { headers: { cookie } })).status).toBe(401);
  });

  it.skipIf(noTerminal)(
    'prints a link that logs in once where its stdout is a terminal, past its log (M3)',
    async () => {
      await using installation = await install({ connections: [], http: { port: 0 } });
      const terminal = join(installation.dir, 'terminal');
      const command = `exec ${process.execPath} ${CLI} -c ${installation.configFile} up`;
      const screen = spawn('script', ['--quiet', '--flush', '--command', command, terminal], {
        cwd: installation.dir,
        env: { PATH: process.env.PATH, HOME: installation.dir },
        stdio: ['pipe', 'ignore', 'ignore'],
      });
      const gone = once(screen, 'exit');
      try {
        const shown = () => readFile(terminal, 'utf8').catch(() => '');
        const linkIn = (text: string) => /Log in: (http:\S+\/login\?code=[\w.-]+)/.exec(text)?.[1];
        await waitUntil('the link', async () => linkIn(await shown()) !== undefined, { timeoutMs: 20_000 });
        const link = linkIn(await shown()) ?? '';
        expect([(await call(link)).status, (await call(link)).status]).toEqual([303, 401]);
      } finally {
        // Ctrl-C, as a person would.
        screen.stdin?.write('\x03');
        await gone;
      }
    },
  );

  it('shows everything and changes nothing where "none" is written for the token (M3)', async () => {
    await using installation = await install({ connections: [], http: { port: 0, adminToken: 'none' } });
    const { url } = await webOf(await installation.up());
    expect((await call(`${url}/api/status`)).status).toBe(200);
    const refused = await call(`${url}/v1/messages`, { method: 'POST' });
    expect([refused.status, refused.json().detail]).toEqual([403, expect.stringContaining('http.adminToken')]);
    const login = await installation.run(['login']);
    expect([login.code, login.stderr]).toEqual([2, expect.stringMatching(/http\.adminToken: is "none"/)]);
  });

  it('names folder, problem and fix where nothing can be written (L12)', async () => {
    await using installation = await install({ connections: [] });
    await writeFile(join(installation.dir, '.holdfast'), 'a file in the way');
    const { code, stdout } = await installation.run(['up']);
    expect(code).toBe(2);
    expect(stdout).toContain(`${join(installation.dir, '.holdfast')} is in the way of a folder: move it away`);
  });

  it('serves Bull Board from the bundle, behind the token of the configuration', async () => {
    await using installation = await install({
      connections: [],
      http: { port: 0, adminToken: `\${${ADMIN}}` },
      env: { [ADMIN]: TOKEN },
    });
    const up = await installation.up();
    const web = await webOf(up);
    expect((await call(`${web.url}/admin/queues`)).status).toBe(401);
    const page = await web.get('/admin/queues');
    expect([page.status, page.text]).toEqual([200, expect.stringContaining('Holdfast queues')]);
    const [, script = ''] = /src="([^"]+\.js)"/.exec(page.text) ?? [];
    expect((await web.get(new URL(script, `${web.url}/admin/queues/`).pathname)).status).toBe(200);
    expect((await web.get('/admin/queues/api/queues')).json().queues).toHaveLength(3);
    expect((await web.get('/api/openapi.json')).json().info.version).toBe('0.1.0');
    expect(installation.output()).not.toContain(TOKEN);
  });

  it('refuses a port that was asked for and is taken: exit code 2, and no connection was touched', async () => {
    await using qq = await startQq();
    const port = await freePort();
    const other = await occupy(port);
    await using installation = await install({ connections: [qqConnection(qq)], http: { port } });
    const { code, stdout } = await installation.run(['up']);
    expect(code).toBe(2);
    expect(stdout).toContain('"event":"web-refused"');
    expect(stdout).toContain(`127.0.0.1:${port}: the port is taken by another process; set http.port`);
    expect(qq.journal.of('token')).toHaveLength(0);
    other.close();
  });

  it('goes on without when nobody asked for a port and the usual one is taken, and says so', async () => {
    const other = await occupy(8_420);
    await using installation = await install({ connections: [], http: 'default' });
    const up = await installation.up();
    const line = await up.waitForLine(({ event }) => event === 'web-off');
    expect(line).toMatchObject({
      level: 'warn',
      port: 8_420,
      msg: expect.stringContaining('taken by another process'),
    });
    expect((await installation.status()).workers.map(({ roles }) => roles)).toContainEqual(['scheduler', 'delivery']);
    other.close();
  });

  it('refuses to be reached from elsewhere without a token', async () => {
    await using guarded = await install({ connections: [], http: { host: '0.0.0.0', adminToken: TOKEN, port: 0 } });
    const web = await webOf(await guarded.up());
    expect((await call(`${web.url}/api/status`)).status).toBe(401);
    expect((await web.get('/api/status')).status).toBe(200);
    const file = join(guarded.dir, 'open.json');
    await writeFile(file, JSON.stringify({ http: { host: '0.0.0.0' } }));
    const refused = await guarded.run(['--config', file, 'up']);
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/^holdfast: http\.host: is no loopback address.*set http\.adminToken/);
  });
});

describe('web', () => {
  it('tells the truth when everybody else is dead, and leaves in time with a browser still connected', async () => {
    await using qq = await startQq();
    await using installation = await install({ connections: [qqConnection(qq)], http: { port: 0 } });
    const up = await installation.up();
    await installation.live();
    const own = await installation.start('web').ready();
    const web = await webOf(own);
    await waitUntil('ready', async () => (await web.get('/readyz')).status === 200);
    up.kill('SIGKILL', 'group');
    await up.exited;
    await waitUntil('the sweeps to be late', async () => (await web.get('/readyz')).status === 503);
    expect((await web.get('/readyz')).json().reasons).toEqual([expect.stringMatching(/nothing is restarted/)]);
    await waitUntil(
      'the connection to be told',
      async () => (await web.get('/api/status')).json().connections[0].state === 'unowned',
    );
    expect(await own.stop()).toMatchObject({ code: 0 });
  });

  it('is refused where it is switched off', async () => {
    await using installation = await install({ connections: [] });
    const { code, stdout } = await installation.run(['web']);
    expect([code, stdout]).toEqual([2, expect.stringContaining('\\"holdfast web\\" does nothing else')]);
  });
});

/** Which keys a document has, at any depth, and of what kind their values are. */
function shapeOf(value: unknown): unknown {
  if (Array.isArray(value)) return value.length === 0 ? [] : [shapeOf(value[0])];
  if (typeof value !== 'object' || value === null) return value === null ? 'null' : typeof value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, shapeOf(each)]));
}
