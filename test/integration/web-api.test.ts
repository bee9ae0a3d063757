/** The API says what the command line says, and asks for what it asks for. */
import { validate } from '@readme/openapi-parser';
import { describe, expect, it } from 'vitest';
import type { ConnectionId, WorkerId } from '../../src/model.ts';
import { deadLetterFields, type NewDeadLetter } from '../../src/state/dead-letters.ts';
import { parseWishes } from '../../src/state/desired.ts';
import { reportWorker } from '../../src/state/workers.ts';
import {
  chainHealthSchema,
  connectionDetailSchema,
  connectionsSchema,
  deadMessagesSchema,
  readinessSchema,
  statusSchema,
} from '../../src/web/schemas.ts';
import { healthyHold, startOneWorker } from '../support/one-worker.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });
const id = 'conn-a' as ConnectionId;
const within = { timeout: 15_000, interval: 50 };

async function startWorld() {
  const where = place();
  const world = await startOneWorker({ ...where, ids: [id], hold: healthyHold });
  const web = await startWebBench(where);
  await expect.poll(async () => (await world.status()).connections[0]?.state, within).toBe('live');
  return {
    world,
    web,
    wishes: async () => parseWishes(await web.client.hgetall(web.keys.connection(id).wishes)),
    async [Symbol.asyncDispose]() {
      await web[Symbol.asyncDispose]();
      await world[Symbol.asyncDispose]();
    },
  };
}

describe('the health of the chain', () => {
  it('is 503 while people are not answered, with the broken link, why, and what to do (H5)', async () => {
    await using bench = await startWorld();
    const { web } = bench;
    await web.seemAlive();
    await web.queues.turns.setGlobalRateLimit(1, 100_000);
    const limited = await web.call('/api/health/chain');
    const given = limited.json();
    expect(chainHealthSchema.parse(given)).toEqual(given);
    expect([limited.status, given.state, given.links.received.state, given.links.turn.state]).toEqual([
      503,
      'failing',
      'ok',
      'failing',
    ]);
    expect(given.troubles).toContainEqual(
      expect.objectContaining({ kind: 'queue-settings', subject: 'turns', reason: expect.stringContaining('1 jobs') }),
    );
    expect((await web.call('/readyz')).status).toBe(200);
  });

  it('is 200 when they are, by whoever works', async () => {
    await using bench = await startWorld();
    const { web } = bench;
    const roles = ['agent', 'delivery'];
    const report = { roles, connections: 0, capacity: 0, eventLoopLagMs: 0, incarnation: 'i', draining: false };
    await reportWorker(web.client, web.keys, 'a/1' as WorkerId, report, 60_000);
    const answer = await web.call('/api/health/chain');
    expect([answer.status, answer.json().state]).toEqual([200, 'ok']);
  });

  it('says that Redis does not answer in the same form', async () => {
    await using server = await startRedis({ aof: false });
    await using web = await startWebBench({ path: server.path, prefix: 'away' });
    server.freeze();
    const answer = await web.call('/api/health/chain');
    server.thaw();
    expect(answer.status).toBe(503);
    expect(chainHealthSchema.parse(answer.json())).toMatchObject({
      state: 'failing',
      links: { stored: { state: 'failing' } },
      troubles: [{ subject: 'Redis', reason: expect.stringMatching(/does not answer/) }],
    });
  });
});

describe('reading', () => {
  it('gives the document of `status --json`, and nothing that its schema does not name', async () => {
    await using bench = await startWorld();
    const { world, web } = bench;
    const given = (await web.call('/api/status')).json();
    expect(statusSchema.parse(given)).toEqual(given);
    const own = await world.status();
    // `since` comes from an age in whole milliseconds, so it may differ by some between two looks.
    const { lastRoundTripAgeMs: _, since, ...timeless } = own.connections[0] ?? { lastRoundTripAgeMs: 0, since: null };
    expect(Math.abs(Date.parse(given.connections[0].since) - Date.parse(String(since)))).toBeLessThan(1_000);
    expect(given.connections).toEqual([expect.objectContaining(timeless)]);
    expect(Object.keys(given)).toEqual(Object.keys(own));
    const list = (await web.call('/api/connections')).json();
    expect(connectionsSchema.parse(list)).toEqual([expect.objectContaining(timeless)]);
    const one = (await web.call(`/api/connections/${id}`)).json();
    expect(connectionDetailSchema.parse(one)).toEqual(one);
    expect(one.history).toContainEqual(expect.objectContaining({ what: 'claimed' }));
    const ready = (await web.call('/readyz')).json();
    expect(readinessSchema.parse(ready)).toEqual(ready);
  });

  it('describes itself by a valid OpenAPI document that names every call', async () => {
    await using web = await startWebBench(place());
    const document = (await web.call('/api/openapi.json')).json();
    expect(await validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(Object.keys(document.paths).sort()).toEqual([
      '/api/connections',
      '/api/connections/{id}',
      '/api/connections/{id}/handoff',
      '/api/connections/{id}/pause',
      '/api/connections/{id}/restart',
      '/api/connections/{id}/resume',
      '/api/data/accept',
      '/api/events',
      '/api/health/chain',
      '/api/messages/dead',
      '/api/messages/dead/{connection}/{letter}/retry',
      '/api/overview',
      '/api/status',
      '/api/timeline',
      '/healthz',
      '/readyz',
      '/v1/messages',
    ]);
    expect(document.components.schemas.Connection.required).toContain('fencingToken');
  });
});

describe('asking for a change', () => {
  it('pauses until resumed, and says who asked', async () => {
    await using bench = await startWorld();
    const { world, web } = bench;
    const paused = await web.call(`/api/connections/${id}/pause`, { method: 'POST' });
    expect([paused.status, paused.json()]).toEqual([202, { id, asked: 'pause', withinMs: 300 }]);
    await expect
      .poll(async () => (await world.status()).connections[0], within)
      .toMatchObject({ state: 'paused', owner: null });
    expect(web.lines).toContainEqual(
      expect.objectContaining({ event: 'web.asked', verb: 'pause', connection: id, address: '127.0.0.1' }),
    );
    await web.call(`/api/connections/${id}/resume`, { method: 'POST' });
    await expect.poll(async () => (await world.status()).connections[0]?.state, within).toBe('live');
  });

  it('restarts', async () => {
    await using bench = await startWorld();
    const { world, web } = bench;
    const before = (await world.status()).connections[0]?.fencingToken ?? 0;
    expect((await web.call(`/api/connections/${id}/restart`, { method: 'POST' })).status).toBe(202);
    await expect.poll(async () => (await world.status()).connections[0]?.fencingToken, within).toBeGreaterThan(before);
  });

  it('hands over only when somebody could take it, to the worker that is named', async () => {
    await using bench = await startWorld();
    const { web, wishes } = bench;
    const ask = (body?: object) =>
      web.call(`/api/connections/${id}/handoff`, {
        method: 'POST',
        ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
      });
    const report = {
      roles: ['connections'],
      connections: 0,
      capacity: 9,
      eventLoopLagMs: 0,
      incarnation: 'i',
      draining: false,
    };
    for (const name of ['other/1', 'other/2']) await reportWorker(web.client, web.keys, name as never, report, 60_000);
    const refused = await ask({ to: 'nobody/9' });
    expect([refused.status, refused.json().detail]).toEqual([
      409,
      expect.stringContaining('worker "nobody/9" cannot take it'),
    ]);
    expect((await wishes()).placement).toBeNull();
    expect((await ask({ to: 'other/2' })).status).toBe(202);
    expect((await wishes()).placement).toMatchObject({ target: 'other/2' });
    expect((await ask()).status).toBe(202);
    expect((await wishes()).placement).toMatchObject({ target: null });
  });
});

describe('a bad request', () => {
  it.each([
    [
      'an unknown connection',
      'POST',
      '/api/connections/nobody/pause',
      undefined,
      404,
      /there is no connection "nobody"/,
    ],
    ['a connection by no name', 'GET', '/api/connections/..%2f..%2fetc', undefined, 404, /there is no connection/],
    ['a path that is none', 'GET', '/api/nothing?token=hush', undefined, 404, /^there is nothing here; docs/],
    ['a method that is none', 'DELETE', '/api/status', undefined, 404, /there is nothing here/],
    ['a body that is no JSON', 'POST', `/api/connections/${id}/handoff`, '{', 400, /JSON/],
    ['an unknown key', 'POST', `/api/connections/${id}/handoff`, '{"target":"a/1"}', 400, /body is wrong/],
    ['a value of another kind', 'POST', `/api/connections/${id}/handoff`, '{"to":1}', 400, /body is wrong/],
    [
      'a body beyond all measure',
      'POST',
      `/api/connections/${id}/handoff`,
      `{"to":"${'x'.repeat(70_000)}"}`,
      413,
      /too large/,
    ],
    [
      'an unknown letter',
      'POST',
      '/api/messages/dead/conn-a/1-0/retry',
      undefined,
      404,
      /there is no dead letter "conn-a\/1-0"/,
    ],
  ] as const)('is told as problem+json: %s', async (_, method, path, body, status, detail) => {
    await using web = await startWebBench(place());
    const headers = body === undefined ? {} : { 'content-type': 'application/json' };
    const answer = await web.call(path, { method, headers, ...(body === undefined ? {} : { body }) });
    expect([answer.status, answer.headers['content-type']]).toEqual([
      status,
      'application/problem+json; charset=utf-8',
    ]);
    expect(answer.json()).toMatchObject({ type: 'about:blank', status, detail: expect.stringMatching(detail) });
    expect(answer.text).not.toContain('hush');
  });

  it('says value by value what is wrong', async () => {
    await using web = await startWebBench(place());
    const headers = { 'content-type': 'application/json' };
    const answer = await web.call(`/api/connections/${id}/handoff`, { method: 'POST', headers, body: '{"to":""}' });
    expect(answer.json().errors).toEqual([{ path: '/to', message: expect.stringMatching(/small/i) }]);
  });
});

describe('dead letters', () => {
  const letter: NewDeadLetter = {
    kind: 'send',
    outcome: 'unknown',
    code: 'ABORTED_CALL',
    reason: 'the process stopped',
    text: 'a reply',
    conversation: 'group:1',
    body: {
      ordinal: 1,
      conversation: 'group:1',
      text: 'a reply',
      mode: 'passive',
      reply: { to: 'm1', deadlineAt: null },
    },
  };

  it('are listed with their text, and one is put back by its id, with or without an encoded slash', async () => {
    await using bench = await startWorld();
    const { web } = bench;
    const { deadLetters } = web.keys.connection(id);
    for (let n = 0; n < 2; n += 1) await web.client.xadd(deadLetters, '*', ...deadLetterFields(letter));
    const listed = (await web.call('/api/messages/dead')).json();
    expect(deadMessagesSchema.parse(listed)).toEqual(listed);
    expect(listed).toHaveLength(2);
    expect(listed[0]).toMatchObject({ connection: id, kind: 'send', outcome: 'unknown', text: 'a reply' });
    const [plain, encoded] = [listed[0].id, encodeURIComponent(listed[1].id)];
    for (const name of [plain, encoded]) {
      const answer = await web.call(`/api/messages/dead/${name}/retry`, { method: 'POST' });
      expect([answer.status, answer.json()]).toEqual([202, { id: decodeURIComponent(name), retried: true }]);
    }
    expect((await web.call('/api/messages/dead')).json()).toEqual([]);
    expect(await web.client.zcard(web.keys.connection(id).activeOutboxes)).toBe(1);
  });
});
