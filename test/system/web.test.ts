/** The web role in whole installations: in `up`, and as a process of its own that outlives the others. */
import { writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { install, qqConnection } from '../support/installation.ts';
import { freePort } from '../support/redis.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call } from '../support/web-bench.ts';

const TOKEN = 'a-token-for-the-system-tests-of-web';
const ADMIN = 'WEB_TEST_ADMIN_TOKEN';

/** Answers at the address that the process logged. */
async function webOf(served: ServedProcess) {
  const { url } = await served.waitForLine(({ event }) => event === 'web');
  const headers = { authorization: `Bearer ${TOKEN}` };
  return { url: String(url), get: (path: string) => call(`${url}${path}`, { headers }) };
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
      'agent',
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

    expect((await call(`${web.url}/api/connections/qq-main/pause`, { method: 'POST' })).status).toBe(202);
    await installation.waitFor('to be paused', ({ state }) => state === 'paused');
    expect(await up.stop()).toMatchObject({ code: 0 });
    await expect(web.get('/healthz')).rejects.toThrow(/ECONNREFUSED/);
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
    expect((await installation.status()).workers.map(({ roles }) => roles)).toContainEqual([
      'scheduler',
      'agent',
      'delivery',
    ]);
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
