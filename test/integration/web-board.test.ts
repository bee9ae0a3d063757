/** Bull Board: shows all queues, changes nothing, and brings nothing from elsewhere. */
import { expect, it } from 'vitest';
import { useRedis } from '../support/redis.ts';
import { type Call, startWebBench } from '../support/web-bench.ts';

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

/** What the board offers, and more than it shows: by queue, by job, and for all queues at once. */
const WRITES = [
  ['PUT', 'pause'],
  ['PUT', 'resume'],
  ...['connections', 'turns', 'deliveries'].flatMap((queue) => [
    ['PUT', `${queue}/pause`],
    ['PUT', `${queue}/resume`],
    ['PUT', `${queue}/empty`],
    ['PUT', `${queue}/obliterate`],
    ['PUT', `${queue}/concurrency`],
    ['PUT', `${queue}/rate-limit`],
    ['PUT', `${queue}/rate-limit/release`],
    ['PUT', `${queue}/promote`],
    ['PUT', `${queue}/clean/waiting`],
    ['PUT', `${queue}/retry/failed`],
    ['POST', `${queue}/add`],
    ['PUT', `${queue}/job-schedulers/s/remove`],
    ['PATCH', `${queue}/job-schedulers/s`],
    ['PUT', `${queue}/job-schedulers/s/run`],
  ]),
  ...['connections/conn-a', 'turns/lane-l-1'].flatMap((job) => [
    ['PUT', `${job}/clean`],
    ['PUT', `${job}/retry`],
    ['PUT', `${job}/promote`],
    ['PATCH', `${job}/update-data`],
    ['PATCH', `${job}/delay`],
    ['PATCH', `${job}/priority`],
    ['PUT', `${job}/remove-unprocessed-children`],
  ]),
] as [Exclude<Call['method'], undefined>, string][];

it('refuses everything that writes, and says why and what to do instead (H5)', async () => {
  await using web = await startBoard();
  const body = JSON.stringify({
    name: 'hold',
    data: {},
    options: {},
    concurrency: 1,
    jobData: {},
    max: 1,
    duration: 1e5,
  });
  const headers = { 'content-type': 'application/json' };
  for (const [method, path] of WRITES) {
    const answer = await web.call(`/admin/queues/api/queues/${path}`, { method, headers, body });
    expect([path, answer.status, answer.headers.allow]).toEqual([path, 405, 'GET, HEAD']);
    expect(answer.json().detail).toContain('read-only');
  }
  for (const [queue, job] of [
    [web.queues.connections, 'conn-a'],
    [web.queues.turns, 'lane-l-1'],
  ] as const) {
    expect(await queue.getJob(job)).toMatchObject({ data: { connectionId: 'conn-a' }, priority: 0 });
    const meta = await web.client.hgetall(web.keys.queue(queue.name).meta);
    expect(Object.keys(meta).filter((field) => /paused|max$|duration|concurrency/.test(field))).toEqual([]);
  }
});

it('is not changed by other sites', async () => {
  await using web = await startBoard();
  const headers = { origin: 'https://evil.example' };
  expect((await web.call('/admin/queues/api/queues/turns/pause', { method: 'PUT', headers })).status).toBe(403);
  expect(await web.queues.turns.isPaused()).toBe(false);
});
