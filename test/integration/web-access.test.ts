/** Who may come in: with a token, with a session, from this machine, and nobody else. */
import { describe, expect, it } from 'vitest';
import { CODE_GOOD_FOR_MS, makeLoginCode } from '../../src/web/login-code.ts';
import { startRedis, uniquePrefix, useRedis } from '../support/redis.ts';
import { type Answer, startWebBench } from '../support/web-bench.ts';

const TOKEN = 'a-token-for-the-tests-of-the-web-role';
const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });
const form = { 'content-type': 'application/x-www-form-urlencoded' };
const GUARDED = [
  '/',
  '/connections/qq-main',
  '/dead-letters',
  '/api/status',
  '/api/overview',
  '/api/timeline',
  '/api/connections',
  '/api/messages/dead',
  '/api/openapi.json',
  '/metrics',
  '/admin/queues',
  '/admin/queues/api/queues',
];
const metrics = { contentType: 'text/plain', render: async () => 'holdfast_up 1\n' };

function cookieOf(answer: Answer): string {
  const set = [answer.headers['set-cookie']].flat()[0] ?? '';
  return set.split(';')[0] ?? '';
}

describe('with a token', () => {
  it.each(GUARDED)('%s is refused without it and with a wrong one, and given with it', async (path) => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN, metrics });
    for (const headers of [
      {},
      bearer('wrong'),
      { authorization: `Basic ${TOKEN}` },
      { cookie: 'holdfast_session=9999999999999.forged' },
    ]) {
      const refused = await web.call(path, { headers });
      expect([refused.status, refused.headers['content-type']]).toEqual([
        401,
        'application/problem+json; charset=utf-8',
      ]);
      expect(refused.headers['www-authenticate']).toMatch(/^Bearer/);
      expect(refused.json()).toMatchObject({ type: 'about:blank', title: 'Unauthorized', status: 401 });
      expect(refused.text).not.toContain(TOKEN);
    }
    expect((await web.call(path, { headers: bearer(TOKEN) })).status).toBe(200);
    expect(JSON.stringify(web.lines)).not.toContain(TOKEN);
  });

  it('health checks need none', async () => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    expect((await web.call('/healthz')).status).toBe(200);
    expect((await web.call('/readyz')).status).toBe(503);
  });

  it('after ten wrong ones wrong ones wait, and the right one never does (L2)', async () => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    const statuses: number[] = [];
    for (let n = 0; n < 12; n += 1)
      statuses.push((await web.call('/api/status', { headers: bearer(`wrong-${n}`) })).status);
    expect(statuses).toEqual([...Array(10).fill(401), 429, 429]);
    const waiting = await web.call('/login', { method: 'POST', headers: form, body: 'token=wrong' });
    expect([waiting.status, Number(waiting.headers['retry-after'])]).toEqual([429, expect.toSatisfy((s) => s > 0)]);
    expect((await web.call('/api/status', { headers: bearer(TOKEN) })).status).toBe(200);
    expect((await web.call('/login', { method: 'POST', headers: form, body: `token=${TOKEN}` })).status).toBe(303);
    expect((await web.call('/api/status', { headers: bearer('wrong') })).status).toBe(429);
    expect(web.lines.filter(({ event }) => event === 'web.refused')).toHaveLength(10);
  });

  it('a person logs in by a page, is led back, and can log out', async () => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    const sent = await web.call('/admin/queues/queue/turns', { headers: { accept: 'text/html' } });
    expect([sent.status, sent.headers.location]).toEqual([303, '/login?next=%2Fadmin%2Fqueues%2Fqueue%2Fturns']);
    const page = await web.call(String(sent.headers.location));
    expect(page.text).toContain('name="next" value="/admin/queues/queue/turns"');
    expect(page.headers['content-security-policy']).toMatch(
      /^default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'/,
    );

    const wrong = await web.call('/login', { method: 'POST', headers: form, body: 'token=wrong&next=/api/status' });
    expect([wrong.status, wrong.headers['set-cookie']]).toEqual([401, undefined]);
    expect(wrong.text).toContain('role="alert"');
    const right = await web.call('/login', { method: 'POST', headers: form, body: `token=${TOKEN}&next=/api/status` });
    expect([right.status, right.headers.location]).toEqual([303, '/api/status']);
    expect([right.headers['set-cookie']].flat()[0]).toMatch(/; HttpOnly; SameSite=Strict/);
    expect(right.headers['set-cookie']).not.toContain(TOKEN);
    const cookie = cookieOf(right);
    expect((await web.call('/api/status', { headers: { cookie } })).status).toBe(200);
    const out = await web.call('/logout', { method: 'POST', headers: { cookie } });
    expect([out.status, cookieOf(out)]).toEqual([303, 'holdfast_session=']);
  });

  it('logging out ends the session at every process, also for who kept the cookie; others go on (L1)', async () => {
    const where = { ...place(), adminToken: TOKEN };
    await using one = await startWebBench(where);
    await using other = await startWebBench(where);
    const login = () => one.call('/login', { method: 'POST', headers: form, body: `token=${TOKEN}` });
    const [mine, theirs] = [cookieOf(await login()), cookieOf(await login())];
    const looks = (cookie: string) =>
      Promise.all([one, other].map(async (web) => (await web.call('/api/status', { headers: { cookie } })).status));
    expect([await looks(mine), await looks(theirs)]).toEqual([
      [200, 200],
      [200, 200],
    ]);
    await other.call('/logout', { method: 'POST', headers: { cookie: mine } });
    expect([await looks(mine), await looks(theirs)]).toEqual([
      [401, 401],
      [200, 200],
    ]);
    // A process that starts later knows as much.
    await using later = await startWebBench(where);
    expect((await later.call('/api/status', { headers: { cookie: mine } })).status).toBe(401);
    expect((await later.call('/api/status', { headers: { cookie: theirs } })).status).toBe(200);
  });

  it('while Redis is away a known session goes on, and nobody is told that it was logged out (L1)', async () => {
    await using server = await startRedis();
    await using web = await startWebBench({ path: server.path, prefix: uniquePrefix(), adminToken: TOKEN });
    const login = () => web.call('/login', { method: 'POST', headers: form, body: `token=${TOKEN}` });
    const cookie = cookieOf(await login());
    server.freeze();
    expect((await web.call('/', { headers: { cookie } })).status).toBe(200);
    expect((await web.call('/logout', { method: 'POST', headers: { cookie } })).status).toBe(503);
    const during = cookieOf(await login());
    expect((await web.call('/', { headers: { cookie: during } })).status).toBe(200);
    server.thaw();
    expect((await web.call('/', { headers: { cookie: during } })).status).toBe(200);
    expect((await web.call('/logout', { method: 'POST', headers: { cookie: during } })).status).toBe(303);
    expect((await web.call('/', { headers: { cookie: during } })).status).toBe(401);
  });

  it('a link logs in once, for ten minutes, and with this token only (M3)', async () => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    const open = (code: string, headers = {}) => web.call(`/login?code=${code}`, { headers });
    const code = makeLoginCode(TOKEN, Date.now());
    const ahead = await open(code, { 'sec-purpose': 'prefetch' });
    expect([ahead.status, ahead.headers['set-cookie']]).toEqual([200, undefined]);
    const [first, second] = await Promise.all([open(code), open(code)]);
    expect([first.status, second.status].sort()).toEqual([303, 401]);
    const [good, late] = first.status === 303 ? [first, second] : [second, first];
    expect(good.headers.location).toBe('/');
    expect((await web.call('/api/status', { headers: { cookie: cookieOf(good) } })).status).toBe(200);
    expect([late.headers['set-cookie'], late.text]).toEqual([undefined, expect.stringContaining('used already')]);
    for (const wrong of [
      makeLoginCode(TOKEN, Date.now() - CODE_GOOD_FOR_MS - 1),
      makeLoginCode('another-token-of-the-tests', Date.now()),
      code.replace(/^./, 'z'),
      `${code}A`,
      'x',
    ]) {
      expect([wrong, (await open(wrong)).status]).toEqual([wrong, 401]);
    }
    expect(JSON.stringify(web.lines)).not.toContain(code);
  });

  it('a link is not taken while Redis cannot say whether it was used', async () => {
    await using server = await startRedis();
    await using web = await startWebBench({ path: server.path, prefix: uniquePrefix(), adminToken: TOKEN });
    const code = makeLoginCode(TOKEN, Date.now());
    server.freeze();
    expect((await web.call(`/login?code=${code}`)).status).toBe(503);
    server.thaw();
  });

  it.each(['localhost:8420', '127.0.0.1', '[::1]:8420'])('a token of our own making works as %s', async (host) => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN, localNamesOnly: true });
    expect((await web.call('/api/status', { headers: { ...bearer(TOKEN), host } })).status).toBe(200);
    expect((await web.call('/api/status', { headers: { ...bearer(TOKEN), host: 'rebound.example' } })).status).toBe(
      403,
    );
  });

  it.each([
    'https://evil.example',
    '//evil.example/a',
    '/\\evil.example',
    '/"><script>',
    'javascript:alert(1)',
    '/..//evil.example',
    '/.//evil.example',
    '/a/../..//evil.example',
  ])('is never led to %s', async (next) => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    const body = new URLSearchParams({ token: TOKEN, next }).toString();
    const answer = await web.call('/login', { method: 'POST', headers: form, body });
    expect([answer.status, answer.headers.location]).toEqual([303, '/']);
    expect((await web.call(`/login?next=${encodeURIComponent(next)}`)).text).toContain('value="/"');
  });

  it('a session ends with the token that it was begun with', async () => {
    const where = place();
    await using before = await startWebBench({ ...where, adminToken: 'the-token-of-yesterday' });
    const begun = await before.call('/login', { method: 'POST', headers: form, body: 'token=the-token-of-yesterday' });
    await using web = await startWebBench({ ...where, adminToken: TOKEN });
    expect((await before.call('/api/status', { headers: { cookie: cookieOf(begun) } })).status).toBe(200);
    expect((await web.call('/api/status', { headers: { cookie: cookieOf(begun) } })).status).toBe(401);
  });

  it.each([
    ['another site, by its browser', { 'sec-fetch-site': 'cross-site' }, 403],
    ['a neighbour below the same domain', { 'sec-fetch-site': 'same-site' }, 403],
    ['another site, by an older browser or plain http', { origin: 'http://evil.example' }, 403],
    ['a sandboxed page', { origin: 'null' }, 403],
    ['its own pages', { 'sec-fetch-site': 'same-origin' }, 404],
    ['no browser', {}, 404],
  ])('a change that %s asks for with a stolen ride on the session', async (_, headers, status) => {
    await using web = await startWebBench({ ...place(), adminToken: TOKEN });
    const cookie = cookieOf(await web.call('/login', { method: 'POST', headers: form, body: `token=${TOKEN}` }));
    const answer = await web.call('/api/connections/nobody/pause', { method: 'POST', headers: { cookie, ...headers } });
    expect(answer.status).toBe(status);
  });
});

describe('without a token, on loopback', () => {
  it.each(['localhost', 'localhost:9999', '127.0.0.1:8420', '127.1.2.3', '[::1]:8420'])(
    'is answered as %s',
    async (host) => {
      await using web = await startWebBench({ ...place(), adminToken: null });
      expect((await web.call('/api/status', { headers: { host } })).status).toBe(200);
    },
  );

  it.each([
    'rebound.example',
    'rebound.example:8420',
    'localhost.evil.example',
    '127.0.0.1.evil.example',
    '192.168.1.4:8420',
  ])('is not answered as %s', async (host) => {
    await using web = await startWebBench({ ...place(), adminToken: null });
    for (const path of GUARDED.filter((each) => each !== '/metrics')) {
      const answer = await web.call(path, { headers: { host } });
      expect([path, answer.status]).toEqual([path, 403]);
    }
  });

  it('changes nothing, and names the key that would (M3)', async () => {
    await using web = await startWebBench({ ...place(), adminToken: null });
    const ask = (headers: Record<string, string>) =>
      web.call('/api/connections/nobody/pause', { method: 'POST', headers });
    expect((await ask({ origin: 'https://evil.example' })).status).toBe(403);
    expect((await ask({ 'sec-fetch-site': 'cross-site' })).status).toBe(403);
    expect((await ask({ origin: web.url })).status).toBe(403);
    const json = { 'content-type': 'application/json' };
    for (const [method, path] of [
      ['POST', '/v1/messages'],
      ['POST', '/api/connections/qq-main/handoff'],
      ['POST', '/api/messages/dead/qq-main/1/retry'],
      ['POST', '/api/connections'],
      ['PUT', '/api/connections/qq-main'],
      ['PATCH', '/api/connections/qq-main'],
      ['DELETE', '/api/connections/qq-main'],
      ['PUT', '/admin/queues/api/queues/turns/pause'],
    ] as const) {
      const refused = await web.call(path, { method, headers: json, body: '{}' });
      expect([path, refused.status, refused.json().detail]).toEqual([
        path,
        403,
        expect.stringContaining('http.adminToken is "none"'),
      ]);
    }
  });

  it('shows all that can be read', async () => {
    await using web = await startWebBench({ ...place(), adminToken: null, metrics });
    for (const path of GUARDED) expect([path, (await web.call(path)).status]).toEqual([path, 200]);
    expect((await web.call('/')).text).toContain('data-visitor="read-only"');
  });

  it('has no page for logging in', async () => {
    await using web = await startWebBench({ ...place(), adminToken: null });
    expect((await web.call('/login')).status).toBe(404);
  });
});
