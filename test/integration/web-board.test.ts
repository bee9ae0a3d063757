/** Bull Board: shows all queues, changes nothing about connections, and brings nothing from elsewhere. */
import { expect, it } from 'vitest';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();

async function startBoard() {
  const web = await startWebBench({ path: redis.server.path, prefix: redis.prefix() });
  await web.queues.connections.add('hold', { connectionId: 'conn-a' }, { jobId: 'conn-a' });
  await web.queues.turns.add('turn', { connectionId: 'conn-a', lane: 'l', activation: 1 }, { jobId: 'lane-l-1' });
  return web;
}

it('loads its page and its scripts from here, under a policy that names no other place', async () => {
  await using web = await startBoard();
  for (const path of ['/admin/queues', '/admin/queues/', '/admin/queues/queue/connections']) {
    const page = await web.call(path);
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'; script-src 'self'");
    expect(policy).not.toContain('http');
    const own = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].flatMap(([, at = '']) =>
      at.startsWith('http') ? [] : [at],
    );
    const scripts = own.filter((at) => at.endsWith('.js'));
    expect(scripts).not.toHaveLength(0);
    for (const script of scripts) {
      const { status } = await web.call(new URL(script, `${web.url}/admin/queues/`).pathname);
      expect([script, status]).toEqual([script, 200]);
    }
  }
});

it('shows every queue with a title and what it is for, and its jobs', async () => {
  await using web = await startBoard();
  const { queues } = (await web.call('/admin/queues/api/queues?activeQueue=connections&status=latest')).json();
  expect(queues.map((each: { name: string }) => each.name)).toEqual(['connections', 'turns', 'deliveries']);
  for (const { displayName, description } of queues) {
    expect(displayName).toMatch(/^[A-Z]/);
    expect(description.length).toBeGreaterThan(50);
  }
  expect(queues[0]).toMatchObject({ readOnlyMode: true, jobs: [{ id: 'conn-a', data: { connectionId: 'conn-a' } }] });
  expect((await web.call('/admin/queues/api/queues/connections/conn-a')).status).toBe(200);
});

it.each([
  ['PUT', '/connections/pause'],
  ['PUT', '/connections/resume'],
  ['PUT', '/connections/empty'],
  ['PUT', '/connections/obliterate'],
  ['PUT', '/connections/concurrency'],
  ['PUT', '/connections/promote'],
  ['PUT', '/connections/clean/waiting'],
  ['PUT', '/connections/retry/failed'],
  ['PUT', '/connections/conn-a/clean'],
  ['PUT', '/connections/conn-a/retry'],
  ['PUT', '/connections/conn-a/promote'],
  ['PATCH', '/connections/conn-a/update-data'],
  ['POST', '/connections/add'],
] as const)('refuses %s %s', async (method, path) => {
  await using web = await startBoard();
  const body = JSON.stringify({ name: 'hold', data: {}, options: {}, concurrency: 1, jobData: {} });
  const headers = { 'content-type': 'application/json' };
  const answer = await web.call(`/admin/queues/api/queues${path}`, { method, headers, body });
  expect(answer.status).toBe(405);
  expect(await web.queues.connections.getJob('conn-a')).toMatchObject({ data: { connectionId: 'conn-a' } });
  expect(await web.queues.connections.isPaused()).toBe(false);
});

it('leaves connections alone when all queues are paused, and can pause the others', async () => {
  await using web = await startBoard();
  expect((await web.call('/admin/queues/api/queues/pause', { method: 'PUT' })).status).toBe(200);
  expect(await web.queues.connections.isPaused()).toBe(false);
  expect(await web.queues.turns.isPaused()).toBe(true);
  await web.call('/admin/queues/api/queues/resume', { method: 'PUT' });
  expect(await web.queues.turns.isPaused()).toBe(false);
});

it('is not changed by other sites', async () => {
  await using web = await startBoard();
  const headers = { origin: 'https://evil.example' };
  expect((await web.call('/admin/queues/api/queues/turns/pause', { method: 'PUT', headers })).status).toBe(403);
  expect(await web.queues.turns.isPaused()).toBe(false);
});
