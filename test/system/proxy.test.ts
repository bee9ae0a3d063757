/**
 * One installation, three bots, three ways to the platform: by a proxy of the connection's own, by that of the
 * environment, and directly in spite of it. Real proxies, with users.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type EmulatedBot, type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, qqConnection } from '../support/installation.ts';
import { type RealProxy, startSquid, startTinyproxy, whyNoProxy } from '../support/proxies.ts';
import { everythingIn } from '../support/redis-contents.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const OWN = { user: 'own-user', password: 'Pa55-of-own-proxy' };
/** With everything that has to be encoded in a URL. */
const SHARED = { user: 'shared-user', password: 'p@ss/w#rd:of%shared' };
const IDS = ['qq-own', 'qq-env', 'qq-direct'] as const;

const missing = whyNoProxy('tinyproxy', 'squid');
if (missing !== null) console.warn(`proxy.test.ts is skipped: ${missing}`);

describe.skipIf(missing !== null)('three ways to one platform', () => {
  let qq: QqEmulator;
  let own: RealProxy;
  let shared: RealProxy;
  let installation: Installation;
  let up: ServedProcess;
  const bots = new Map<string, EmulatedBot>();

  beforeAll(async () => {
    const accounts = ['102000002', '102000003'].map((appId) => ({ appId, clientSecret: `secret-of-${appId}` }));
    qq = await startQq({ heartbeatIntervalMs: 1_000, bots: accounts });
    [own, shared] = await Promise.all([startTinyproxy({ user: OWN }), startSquid({ user: SHARED })]);
    for (const [index, id] of IDS.entries()) bots.set(id, index === 0 ? qq : qq.bot(`10200000${index + 1}`));
    const sharedUrl = `http://${SHARED.user}:${encodeURIComponent(SHARED.password)}@127.0.0.1:${shared.port}`;
    const connection = (id: string, extra = {}) => qqConnection(qq, id, bots.get(id), extra);
    const { port } = own;
    installation = await install({
      connections: [connection('qq-direct', { proxy: 'direct' })],
      // Upper case, and a general name: the last resort of the resolver.
      env: { ALL_PROXY: sharedUrl },
    });
    await writeFile(join(installation.dir, 'own-proxy'), `http://${OWN.user}:${OWN.password}@127.0.0.1:${port}\n`);
    await installation.configure({
      connections: [
        connection('qq-own', { proxyFile: './own-proxy' }),
        connection('qq-env'),
        connection('qq-direct', { proxy: 'direct' }),
      ],
    });
    up = await installation.up();
    await Promise.all(IDS.map((id) => installation.live(id)));
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
    await own?.[Symbol.asyncDispose]();
    await shared?.[Symbol.asyncDispose]();
  });

  it('each connection takes its own, and status and log say which (F26)', async () => {
    const expected = {
      'qq-own': `http proxy 127.0.0.1:${own.port}`,
      'qq-env': `http proxy 127.0.0.1:${shared.port}`,
      'qq-direct': 'direct',
    };
    for (const [id, route] of Object.entries(expected)) {
      expect((await installation.connection(id)).route).toBe(route);
      const said = up.lines.filter((line) => line.event === 'route' && line.connection === id);
      expect(said.map((line) => line.route)).toEqual([route]);
    }
    const people = IDS.map((id) => new Conversations(bots.get(id) as EmulatedBot, qq.journal, { name: id }));
    for (const each of people) each.say();
    for (const each of people) expect(await each.account()).toEqual({ sent: 1, ...NOTHING_WRONG });
    // Its own log: HTTP and WebSocket went through it.
    const { port: api } = new URL(qq.apiBaseUrl);
    const { port: gateway } = new URL(qq.gatewayUrl);
    await own.carried(Number(api));
    await own.carried(Number(gateway));
  });

  it('a proxy that goes away takes only its own connection down; it says why, and comes back with what was missed (F26)', async () => {
    await own.stop();
    const down = await installation.waitFor(
      'to name the proxy',
      ({ state, reason }) => state !== 'live' && reason?.includes('proxy connection refused (ECONNREFUSED)') === true,
      { id: 'qq-own' },
    );
    expect(down.reason).toContain(`http proxy 127.0.0.1:${own.port} → 127.0.0.1:`);
    expect(down.nextAttemptAt).not.toBeNull();
    for (const id of ['qq-env', 'qq-direct']) expect((await installation.connection(id)).state).toBe('live');
    const people = new Conversations(qq, qq.journal, { name: 'MISSED' });
    for (let n = 0; n < 3; n += 1) people.say();
    await own.restart();
    await installation.live('qq-own');
    expect(await people.account()).toEqual({ sent: 3, ...NOTHING_WRONG });
    // A Resume: the platform replays what was said meanwhile.
    expect(qq.journal.count('resume', ({ outcome }) => outcome === 'accepted')).toBeGreaterThanOrEqual(1);
  });

  it('no user and no password of a proxy is found in log, status, or Redis', async () => {
    const outputs = await Promise.all([
      installation.run(['status', '--json']),
      installation.run(['status']),
      ...IDS.map((id) => installation.run(['connections', 'show', id])),
    ]);
    const shown = outputs.map(({ stdout, stderr }) => stdout + stderr).join('\n');
    const places = {
      log: installation.output(),
      shown,
      redis: await everythingIn((await installation.reader()).client),
    };
    // A search that finds nothing must be able to find something.
    for (const text of Object.values(places)) expect(text).toContain('qq-own');
    expect(shown).toContain(`http proxy 127.0.0.1:${own.port}`);
    for (const { user, password } of [OWN, SHARED]) {
      const basic = Buffer.from(`${user}:${password}`).toString('base64');
      for (const secret of [user, password, encodeURIComponent(password), basic]) {
        for (const [place, text] of Object.entries(places)) {
          expect(text.includes(secret), `${secret} in ${place}`).toBe(false);
        }
      }
    }
  });

  it('a proxy variable that cannot be read ends the start with its name, and without its value', async () => {
    const env = { https_proxy: `ftp://${OWN.user}:${OWN.password}@127.0.0.1:21` };
    const refused = await installation.run(['up'], { env });
    expect(refused.code).toBe(2);
    expect(refused.stderr).toMatch(/https_proxy: has a scheme that is not supported; write .* or unset it/);
    expect(refused.stdout + refused.stderr).not.toContain(OWN.password);
  });

  it('SIGTERM is not held up by tunnels', async () => {
    const exit = await up.stop();
    expect(exit).toMatchObject({ code: 0, signal: null });
    await waitUntil('the platform to be left', () => IDS.every((id) => bots.get(id)?.liveSockets() === 0));
  });
});
