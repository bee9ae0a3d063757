/**
 * A QQ connection through real proxies: token, discovery, WebSocket and sends, over plain and over TLS. That nothing went
 * around the proxy shows in its own log, and in what is left when the proxy ends: nothing.
 */
import { readFile } from 'node:fs/promises';
import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { createTransport, type OwnedTransport } from '../../src/http/transport.ts';
import { connectionId, type SendOutcome } from '../../src/model.ts';
import { type QqEmulator, type Said, startQq } from '../emulators/qq/index.ts';
import { type RealProxy, startDante, startSquid, startTinyproxy, whyNoProxy } from '../support/proxies.ts';
import { type HeldQq, holdQq } from '../support/qq-hold.ts';
import { makeTestCa, type TestCa } from '../support/test-ca.ts';

const HOLDER = { user: 'holder', password: 'Pa55-of-the-proxy' };
const LOGIN = `${HOLDER.user}:${HOLDER.password}@`;

let ca: TestCa;
let caText: string;
beforeAll(async () => {
  ca = await makeTestCa();
  caText = await readFile(ca.caFile, 'utf8');
});
afterAll(() => ca[Symbol.asyncDispose]());

const holds: HeldQq[] = [];
afterEach(async () => {
  for (const held of holds.splice(0)) {
    held.abort(new Error('the test is over'));
    await held.done;
  }
});

function transportBy(proxy: string, environment: Record<string, string> = {}): OwnedTransport {
  const own = proxy === '' ? undefined : proxy;
  return createTransport({ proxy: own, environment, ca: caText });
}

function hold(qq: QqEmulator, transport: OwnedTransport, options: Record<string, number> = {}): HeldQq {
  const held = holdQq(qq, { transport, options });
  holds.push(held);
  return held;
}

async function reply(qq: QqEmulator, transport: OwnedTransport, said: Said): Promise<SendOutcome> {
  const sender = createQqAdapter().createSender({
    connectionId: connectionId('qq-test'),
    options: { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl },
    secrets: { clientSecret: qq.clientSecret },
    transport,
    clock: systemClock,
    log: pino({ level: 'silent' }),
  });
  const part = {
    id: 'turn/1',
    conversation: `${said.chat.scene}:${said.chat.id}`,
    text: 'an answer',
    reply: { key: said.messageId, deadlineAt: null, quota: null, address: null },
    ordinal: 1,
    mode: 'passive' as const,
  };
  try {
    return await sender.send(part, { signal: new AbortController().signal });
  } finally {
    await transport.destroy();
  }
}

function reasons(held: HeldQq): string[] {
  return held.health.flatMap((entry) => (entry.what === 'lost' ? [entry.reason] : []));
}

const portOf = (url: string) => Number(new URL(url).port);

interface Kind {
  readonly name: string;
  readonly missing: string | null;
  start(): Promise<RealProxy>;
  /** Without the port. */
  readonly url: string;
  readonly route: string;
}

const kinds: readonly Kind[] = [
  {
    name: 'tinyproxy',
    missing: whyNoProxy('tinyproxy'),
    start: () => startTinyproxy(),
    url: 'http://127.0.0.1',
    route: 'http proxy 127.0.0.1',
  },
  {
    name: 'tinyproxy with Basic authentication',
    missing: whyNoProxy('tinyproxy'),
    start: () => startTinyproxy({ user: HOLDER }),
    url: `http://${LOGIN}127.0.0.1`,
    route: 'http proxy 127.0.0.1',
  },
  {
    name: 'squid with Basic authentication',
    missing: whyNoProxy('squid'),
    start: () => startSquid({ user: HOLDER }),
    url: `http://${LOGIN}127.0.0.1`,
    route: 'http proxy 127.0.0.1',
  },
  {
    name: 'squid over TLS with Basic authentication',
    missing: whyNoProxy('squid'),
    start: () => startSquid({ user: HOLDER, tls: ca.server }),
    url: `https://${LOGIN}127.0.0.1`,
    route: 'https proxy 127.0.0.1',
  },
  {
    name: 'dante (SOCKS5)',
    missing: whyNoProxy('danted'),
    start: () => startDante(),
    url: 'socks5://127.0.0.1',
    route: 'socks5 proxy 127.0.0.1',
  },
  {
    name: 'dante (SOCKS5) with a user',
    missing: whyNoProxy('danted-users'),
    start: () => startDante({ user: HOLDER }),
    url: `socks5h://${LOGIN}127.0.0.1`,
    route: 'socks5 proxy 127.0.0.1',
  },
];
const missing = new Set(kinds.flatMap(({ missing }) => (missing === null ? [] : [missing])));
for (const reason of missing) console.warn(`proxies.test.ts is partly skipped: ${reason}`);

for (const kind of kinds) {
  describe.skipIf(kind.missing !== null)(`through ${kind.name}`, () => {
    it.each(['plain', 'TLS'])('a connection lives and sends, all of it by that way: %s platform (F26)', async (how) => {
      await using qq = await startQq({ heartbeatIntervalMs: 500, ...(how === 'TLS' ? { tls: ca.server } : {}) });
      await using proxy = await kind.start();
      const url = `${kind.url}:${proxy.port}`;
      const held = hold(qq, transportBy(url));
      await held.live();
      expect(held.routes).toEqual([`${kind.route}:${proxy.port}`]);
      const said = qq.user('ALICE').say('hello');
      await held.until('the message', () => held.sink.texts().includes('hello'));
      expect(await reply(qq, transportBy(url), said)).toMatchObject({ kind: 'sent' });
      expect(qq.journal.delivered().map(({ text }) => text)).toEqual(['an answer']);

      held.drain();
      await held.done;
      await proxy.carried(portOf(qq.apiBaseUrl));
      await proxy.carried(portOf(qq.gatewayUrl));
    });

    it('loses the connection with the proxy, says so, and resumes when it is back', async () => {
      await using qq = await startQq({ heartbeatIntervalMs: 500 });
      await using proxy = await kind.start();
      const held = hold(qq, transportBy(`${kind.url}:${proxy.port}`));
      await held.live();
      await proxy.stop();
      await held.until('the loss', () => reasons(held).length >= 3);
      expect(reasons(held).slice(1).join('\n')).toContain('proxy connection refused (ECONNREFUSED)');
      expect(qq.liveSockets()).toBe(0);
      qq.user('ALICE').say('meanwhile');
      await proxy.restart();
      await held.live(2);
      await held.until('the replay', () => held.sink.texts().includes('meanwhile'));
      expect(held.health.filter((entry) => entry.what === 'live')).toEqual([
        { what: 'live', how: 'identified' },
        { what: 'live', how: 'resumed' },
      ]);
    });
  });
}

describe.skipIf(whyNoProxy('tinyproxy') !== null)('the environment', () => {
  it('sends HTTP and WebSocket by its proxies, and what NO_PROXY names past them (F26)', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 500, tls: ca.server });
    await using proxy = await startTinyproxy();
    const gatewayPort = portOf(qq.gatewayUrl);
    const environment = {
      https_proxy: `http://127.0.0.1:${proxy.port}`,
      NO_PROXY: `127.0.0.0/8:${gatewayPort}, somebody.else`,
    };
    const held = hold(qq, transportBy('', environment));
    await held.live();
    expect(held.routes).toEqual(['direct']);
    await proxy.carried(portOf(qq.apiBaseUrl));
    expect(await proxy.log()).not.toContain(`127.0.0.1:${gatewayPort}`);
  });
});

describe('a wrong password', () => {
  const gates = [
    {
      name: 'squid',
      missing: whyNoProxy('squid'),
      start: () => startSquid({ user: HOLDER }),
      scheme: 'http',
      reason: 'proxy authentication required (407)',
    },
    {
      name: 'tinyproxy',
      missing: whyNoProxy('tinyproxy'),
      start: () => startTinyproxy({ user: HOLDER }),
      scheme: 'http',
      // Its answer to a wrong password is 401, and 407 to none.
      reason: 'proxy authentication refused (401)',
    },
    {
      name: 'dante',
      missing: whyNoProxy('danted-users'),
      start: () => startDante({ user: HOLDER }),
      scheme: 'socks5h',
      reason: 'SOCKS proxy authentication refused',
    },
  ];
  for (const { name, missing, start, scheme, reason } of gates) {
    it.skipIf(missing !== null)(`for ${name} is transient and named, and is shown to nobody`, async () => {
      await using qq = await startQq();
      await using proxy = await start();
      const held = hold(qq, transportBy(`${scheme}://holder:not-the-password@127.0.0.1:${proxy.port}`));
      await held.until('three attempts', () => reasons(held).length >= 3);
      expect(reasons(held).at(-1)).toContain(reason);
      expect(JSON.stringify([held.lines, held.health])).not.toContain('not-the-password');
      expect(qq.journal.count('http', () => true)).toBe(0);
    });
  }
});

describe.skipIf(whyNoProxy('tinyproxy') !== null)('an idle timeout of the proxy (tinyproxy, 2 s)', () => {
  it('cuts a silent socket again and again: each time a Resume, and no message lost', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 41_250 });
    await using proxy = await startTinyproxy({ idleTimeoutS: 2 });
    const held = hold(qq, transportBy(`http://127.0.0.1:${proxy.port}`), { pingEveryMs: 300_000 });
    for (const [index, text] of ['one', 'two', 'three'].entries()) {
      await held.until(`live ${index + 1} times`, () => lives(held) >= index + 1, 20_000);
      // Said into the gap or the new socket; both must bring it.
      qq.user('ALICE').say(text);
    }
    await held.until('all messages', () => held.sink.texts().length === 3);
    expect(held.sink.texts()).toEqual(['one', 'two', 'three']);
    expect(qq.journal.count('identify', ({ outcome }) => outcome === 'accepted')).toBe(1);
  });

  it('does not touch one that pings more often', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 41_250 });
    await using proxy = await startTinyproxy({ idleTimeoutS: 2 });
    const held = hold(qq, transportBy(`http://127.0.0.1:${proxy.port}`), { pingEveryMs: 500, pongDeadlineMs: 400 });
    await held.live();
    await held.until('the pongs of 6 s', () => held.roundTrips() >= 12, 20_000);
    expect(lives(held)).toBe(1);
    expect(reasons(held)).toEqual([]);
  });
});

function lives(held: HeldQq): number {
  return held.health.filter(({ what }) => what === 'live').length;
}
