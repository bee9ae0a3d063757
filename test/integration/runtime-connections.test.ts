/** Connections that are added while Holdfast runs: what stands in Redis, who wins, and how a changed secret gets through. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pino } from 'pino';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../src/config.ts';
import type { ConnectionId } from '../../src/model.ts';
import { ConnectionDesk } from '../../src/run/connection-desk.ts';
import { CredentialStore } from '../../src/run/credentials.ts';
import { keepDesired, writeDesired } from '../../src/run/keep-desired.ts';
import { LiveConfig } from '../../src/run/live-config.ts';
import { RuntimeConnections } from '../../src/run/runtime-connections.ts';
import { applyDesired, listConnectionIds, readDesired, wishPaused } from '../../src/state/desired.ts';
import { createKeys } from '../../src/state/keys.ts';
import { connection } from '../support/observed.ts';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';
import { folderWith } from '../unit/config/load.ts';

const redis = useRedis();
const within = { timeout: 10_000, interval: 20 };
const id = 'qq-2' as ConnectionId;
const bounds = { secretsPrefix: 'HOLDFAST_SECRET_', secretsDir: '/run/secrets-of-the-test' };
const given = { id, platform: 'qq', appId: '102000001', clientSecretFile: 'qq2' };

function prepare() {
  const client = redis.server.client();
  const keys = createKeys(redis.prefix());
  return { client, keys, desk: new ConnectionDesk(client, keys, () => bounds) };
}

describe('the record of an added connection', () => {
  it('has references and no secrets, and says where it comes from', async () => {
    const { client, keys, desk } = prepare();
    expect(await desk.write(given, 'add')).toBe('added');
    expect(await readDesired(client, keys, id)).toMatchObject({
      id,
      platform: 'qq',
      enabled: true,
      source: 'runtime',
      definition: given,
      options: { appId: '102000001', pingEveryMs: 8_000 },
    });
    expect(await client.get(keys.connection(id).desired)).not.toContain('left-out');
    expect(await listConnectionIds(client, keys)).toEqual([id]);
  });

  it('is not added twice, replaced on purpose, changed key by key, and removed', async () => {
    const { client, keys, desk } = prepare();
    expect(await desk.change(id, { enabled: false })).toBe('unknown');
    expect(await desk.remove(id)).toBe('unknown');
    await desk.write(given, 'add');
    const first = await readDesired(client, keys, id);
    expect(await desk.write({ ...given, enabled: false }, 'add')).toBe('exists');
    expect(await readDesired(client, keys, id)).toEqual(first);
    await wishPaused(client, keys, id, true);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a reference
    expect(await desk.change(id, { clientSecret: '${HOLDFAST_SECRET_QQ2}', pingEveryMs: 9_000 })).toBe('replaced');
    const changed = await readDesired(client, keys, id);
    expect(changed?.definition).not.toHaveProperty('clientSecretFile');
    expect(changed?.fingerprint).not.toBe(first?.fingerprint);
    expect(await client.hget(keys.connection(id).wishes, 'paused')).toBe('1');
    expect(await desk.change(id, { pingEveryMs: null })).toBe('replaced');
    expect((await readDesired(client, keys, id))?.options).toMatchObject({ pingEveryMs: 8_000 });
    expect(await desk.remove(id)).toBe('removed');
    expect(await listConnectionIds(client, keys)).toEqual([]);
    expect(await desk.write(given, 'put')).toBe('added');
    expect(await client.hget(keys.connection(id).wishes, 'paused')).toBeNull();
  });

  it('survives a configuration that does not name it, and gives way to one that does', async () => {
    const { client, keys, desk } = prepare();
    await desk.write(given, 'add');
    const other = connection({ id: 'qq-main' as ConnectionId }).desired ?? expect.fail('none');
    await applyDesired(client, keys, [other], { removeOthers: true });
    expect((await readDesired(client, keys, id))?.source).toBe('runtime');
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const same = { ...other, id };
    await writeDesired({ client, keys, wanted: () => [other, same], removeOthers: true, log });
    expect((await readDesired(client, keys, id))?.source).toBe('config');
    expect(lines).toContainEqual(expect.objectContaining({ event: 'runtime-replaced', connection: id, level: 40 }));
    expect([await desk.write(given, 'add'), await desk.change(id, {}), await desk.remove(id)]).toEqual([
      'configured',
      'configured',
      'configured',
    ]);
    await writeDesired({ client, keys, wanted: () => [other], removeOthers: true, log });
    expect(await listConnectionIds(client, keys)).toEqual(['qq-main']);
  });
});

describe('a process that runs', () => {
  function startProcess() {
    const { client, keys } = prepare();
    const folder = folderWith({
      'holdfast.yaml': 'runtime: { secretsDir: . }\nconnections: []\n',
      qq2: 'first-secret-of-qq2',
    });
    const lines: Record<string, unknown>[] = [];
    const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
    const live = new LiveConfig({ initial: loadConfig({ file: join(folder, 'holdfast.yaml') }), quiet: false, log });
    const added = new RuntimeConnections({ client, keys, live, watchesSecrets: true, log });
    const desk = new ConnectionDesk(client, keys, () => live.current.runtime);
    return { client, keys, folder, log, lines, live, added, desk, credentials: new CredentialStore(live) };
  }

  it('looks secrets up, notices another content of their file once, and says so without it', async () => {
    const { client, keys, folder, lines, added, desk, credentials } = startProcess();
    await desk.write(given, 'add');
    await client.hset(keys.connection(id).parked, { since: '1', reason: 'r', fingerprint: 'f' });
    const record = async () => (await readDesired(client, keys, id)) ?? expect.fail('no record');
    const before = await record();
    expect(await credentials.fresh(before)).toMatchObject({ secrets: { clientSecret: 'first-secret-of-qq2' } });
    await added.look();
    await added.look();
    expect(await record()).toEqual(before);
    writeFileSync(join(folder, 'qq2'), 'second-secret-of-qq2\n');
    await added.look();
    const after = await record();
    expect(after).toEqual({ ...before, fingerprint: after.fingerprint });
    expect(after.fingerprint).not.toBe(before.fingerprint);
    expect(credentials.of(after)).toMatchObject({ secrets: { clientSecret: 'second-secret-of-qq2' } });
    await added.look();
    expect(lines.filter(({ event }) => event === 'secret-changed')).toHaveLength(1);
    expect(JSON.stringify(lines)).not.toContain('secret-of-qq2');
    const dump = await Promise.all(
      (await client.keys(`${keys.prefix}*`)).map(
        async (key) => (await client.type(key)) === 'string' && client.get(key),
      ),
    );
    expect(JSON.stringify(dump)).not.toContain('secret-of-qq2');
  });

  it('says in words what it lacks', async () => {
    const { client, keys, desk, credentials } = startProcess();
    await desk.write({ ...given, clientSecretFile: 'not-there' }, 'add');
    const record = (await readDesired(client, keys, id)) ?? expect.fail('no record');
    expect(await credentials.fresh(record)).toEqual({
      kind: 'unknown',
      reason: expect.stringMatching(/^clientSecretFile: names .*not-there, which cannot be read \(ENOENT\)/),
    });
  });

  it('writes it anew when Redis lost its data', async () => {
    const { client, keys, log, added, desk } = startProcess();
    await desk.write(given, 'add');
    const ended = new AbortController();
    const options = { client, keys, wanted: () => [], log };
    const name = await writeDesired({ ...options, removeOthers: false });
    let looks = 0;
    const addedAtRunTime = () => {
      looks += 1;
      return added.look();
    };
    const more = { name, everyMs: 20, removes: true, addedAtRunTime, onChange: () => () => undefined };
    const keeping = keepDesired({ ...options, ...more }, ended.signal);
    await expect.poll(() => looks, within).toBeGreaterThan(2);
    await client.del(...(await client.keys(`${keys.prefix}*`)));
    await expect.poll(() => listConnectionIds(client, keys), within).toEqual([id]);
    await desk.remove(id);
    const removedAt = looks;
    await expect.poll(() => looks, within).toBeGreaterThan(removedAt + 2);
    expect(await listConnectionIds(client, keys)).toEqual([]);
    ended.abort();
    await keeping;
  });
});

describe('over HTTP', () => {
  const token = 'a-token-that-nobody-guesses';
  const headers = { 'content-type': 'application/json', authorization: `Bearer ${token}` };
  const start = (adminToken: string | null) =>
    startWebBench({
      path: redis.server.path,
      prefix: redis.prefix(),
      adminToken,
    });

  it('adds, replaces, changes and removes, and says what it did and for whom', async () => {
    await using web = await start(token);
    const ask = async (method: 'POST' | 'PUT' | 'PATCH' | 'DELETE', path: string, body?: object) => {
      const answer = await web.call(path, {
        method,
        headers: body === undefined ? { authorization: headers.authorization } : headers,
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      return [answer.status, answer.json().done ?? answer.json().detail];
    };
    expect(await ask('POST', '/api/connections', given)).toEqual([202, 'added']);
    expect(await ask('POST', '/api/connections', given)).toEqual([409, expect.stringMatching(/already; PUT or PATCH/)]);
    expect(await ask('PATCH', `/api/connections/${id}`, { pingEveryMs: 9_000 })).toEqual([202, 'replaced']);
    expect(await ask('PUT', `/api/connections/${id}`, { ...given, id: 'x' })).toEqual([
      400,
      expect.stringMatching(/differ/),
    ]);
    expect(await ask('PUT', `/api/connections/${id}`, given)).toEqual([202, 'replaced']);
    expect((await web.call('/api/status', { headers })).json().connections[0]).toMatchObject({ id, state: 'unowned' });
    expect(await ask('DELETE', `/api/connections/${id}`)).toEqual([202, 'removed']);
    expect(await ask('DELETE', `/api/connections/${id}`)).toEqual([
      404,
      expect.stringMatching(/there is no connection/),
    ]);
    const told = web.lines.filter(({ event }) => event === 'web.asked').map(({ verb, address }) => [verb, address]);
    expect(told).toEqual(['added', 'replaced', 'replaced', 'removed'].map((verb) => [verb, '127.0.0.1']));
  });

  it('names each wrong key and the fix, and repeats no value', async () => {
    await using web = await start(token);
    const body = JSON.stringify({ ...given, clientSecretFile: undefined, clientSecret: 'hush-hush-hush', appId: 1 });
    const answer = await web.call('/api/connections', { method: 'POST', headers, body });
    expect(answer.status).toBe(400);
    expect(answer.json().errors).toEqual([
      { path: '/clientSecret', message: expect.stringMatching(/must be a reference.*HOLDFAST_SECRET_/) },
      { path: '/appId', message: expect.stringMatching(/in quotes/) },
    ]);
    expect(answer.text + JSON.stringify(web.lines)).not.toContain('hush-hush');
  });

  it('is refused without an admin token, also to this machine', async () => {
    await using web = await start(null);
    const json = { 'content-type': 'application/json' };
    const answer = await web.call('/api/connections', { method: 'POST', headers: json, body: JSON.stringify(given) });
    expect([answer.status, answer.json().detail]).toEqual([403, expect.stringMatching(/set http\.adminToken/)]);
    expect((await web.call(`/api/connections/${id}`, { method: 'DELETE' })).status).toBe(403);
    expect(await listConnectionIds(web.client, web.keys)).toEqual([]);
  });
});
