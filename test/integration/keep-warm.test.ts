/** Standing by against the emulated platform: what was fetched ahead is not fetched in a takeover. */
import { setTimeout as wait } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import type { Adapter } from '../../src/adapters/adapter.ts';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { connectionId } from '../../src/model.ts';
import { keepWarm } from '../../src/workers/keep-warm.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { openDirect } from '../support/direct-transport.ts';
import { holdQq } from '../support/qq-hold.ts';
import { waitUntil } from '../support/wait-until.ts';

const cleanups: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

async function platform(): Promise<QqEmulator> {
  const qq = await startQq({ identifyLimit: { maxConcurrency: 100 } });
  cleanups.push(() => qq.close());
  return qq;
}

function standBy(qq: QqEmulator, { clientSecret = qq.clientSecret, heldHere = [] as readonly string[] } = {}) {
  const real = createQqAdapter();
  let warmed = 0;
  const adapter: Adapter = {
    ...real,
    async warm(...given) {
      await real.warm?.(...given);
      warmed += 1;
    },
  };
  const lines: string[] = [];
  const ended = new AbortController();
  const options = { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl };
  const done = keepWarm({
    connections: () =>
      ['qq-one', 'qq-two', 'qq-three'].map((id) => ({
        id: connectionId(id),
        platform: 'qq',
        options,
        secrets: { clientSecret },
        fingerprint: 'f1',
      })),
    isHeld: (id) => heldHere.includes(id),
    adapters: new Map([['qq', adapter]]),
    openTransport: openDirect,
    clock: systemClock,
    log: pino({ level: 'debug' }, { write: (line: string) => void lines.push(line) }),
    signal: ended.signal,
  });
  cleanups.push(async () => {
    ended.abort(new Error('the test is over'));
    await done;
  });
  return { adapter, lines, warmed: () => warmed };
}

describe('a worker that stands by', () => {
  it('has the access token before it holds a connection, and fetches it once for all connections of a bot', async () => {
    const qq = await platform();
    const { adapter, warmed } = standBy(qq);
    await waitUntil('all three were tried', () => warmed() === 3);
    const held = holdQq(qq, { adapter });
    await held.live();
    held.drain();
    await held.done;
    expect(qq.journal.count('token')).toBe(1);
  });

  it('does not ask again for what was refused for good, and goes on with the rest', async () => {
    const qq = await platform();
    const { lines } = standBy(qq, { clientSecret: 'not-the-secret' });
    await waitUntil('all three were tried', () => lines.filter((line) => line.includes('"not-warm"')).length === 3);
    const asked = qq.journal.count('token');
    await wait(200);
    expect(asked).toBe(3);
    expect(qq.journal.count('token')).toBe(asked);
    expect(lines.join('')).not.toContain('not-the-secret');
  });

  it('fetches nothing for what it holds itself', async () => {
    const qq = await platform();
    const { warmed } = standBy(qq, { heldHere: ['qq-one', 'qq-three'] });
    await waitUntil('the one that is not held was tried', () => warmed() === 1);
    await wait(200);
    expect(warmed()).toBe(1);
  });
});
