/** Events that kill whoever reads them, against a real Redis: what counts as a death, and what does not. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { InboundSink } from '../../src/adapters/adapter.ts';
import { systemClock } from '../../src/async/clock.ts';
import { FencedError } from '../../src/errors.ts';
import type { ConnectionId, FencingToken, WorkerId } from '../../src/model.ts';
import { listDeadLetters } from '../../src/state/dead-letters.ts';
import { encodeEvent, ingest } from '../../src/state/ingest.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { claimLease, declareDead, endTenure } from '../../src/state/leases.ts';
import { beginReading, endReading } from '../../src/state/reading.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { ALL_SAFEGUARDS } from '../../src/state/safeguards.ts';
import { createCarefulReading } from '../../src/workers/careful-reading.ts';
import { Turnstile } from '../../src/workers/turnstile.ts';
import { message } from '../support/inbound.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const id = 'qq-main' as ConnectionId;
let client: RedisClient;
let keys: Keys;

beforeEach(() => {
  client = openRedis({ path: redis.server.path }, 'queue', 'test', () => undefined);
  keys = createKeys(redis.prefix());
});
afterEach(() => client.disconnect());

async function tenure() {
  const claim = await claimLease(
    client,
    keys,
    id,
    { worker: 'a/1' as WorkerId, incarnation: 'i', jobToken: 'j' },
    5_000,
  );
  if (claim.kind !== 'granted') throw new Error('not granted');
  return claim;
}
const dies = (token: FencingToken) => declareDead(client, keys, id, token, 'its process ended');
const begin = (token: FencingToken, position = 'session/6') =>
  beginReading(client, keys, id, token, { position, raw: '{}' });
const letters = () => listDeadLetters(client, keys, id);
async function stores(token: FencingToken, kind: 'message' | 'resumed') {
  const event = { ...message('hello'), ...(kind === 'resumed' ? { kind, eventId: null, conversation: null } : {}) };
  await ingest(client, keys, {
    connection: id,
    token,
    writer: `${token}-w`,
    from: 0,
    startCursor: null,
    items: [encodeEvent(id, event, null)],
    dedupeWindowMs: 1_000_000,
    maxPendingBytes: 1_000_000,
    instanceFull: false,
    safeguards: ALL_SAFEGUARDS,
  });
}

describe('events are read one by one (H8)', () => {
  it('after a holder that died and had stored no event, and after no other', async () => {
    const first = await tenure();
    expect(first.careful).toBe(false);
    await stores(first.token, 'message');
    await dies(first.token);
    const second = await tenure();
    expect(second.careful).toBe(false);
    await stores(second.token, 'resumed');
    await dies(second.token);
    const third = await tenure();
    expect(third.careful).toBe(true);
    await endTenure(client, keys, id, third.token, { end: 'released', reason: 'drained' });
    const fourth = await tenure();
    expect(fourth.careful).toBe(false);
    const bug = { end: 'bug', reason: 'threw', delayMs: 0, countFromZero: false } as const;
    await endTenure(client, keys, id, fourth.token, bug);
    expect((await tenure()).careful).toBe(true);
  });

  it('after a holder that left a note open, whatever it had stored', async () => {
    const first = await tenure();
    await begin(first.token);
    await stores(first.token, 'message');
    await dies(first.token);
    expect((await tenure()).careful).toBe(true);
  });
});

describe('an event that was about to be read (H8)', () => {
  it('is set aside at the second death, once, and is passed over whenever it comes again', async () => {
    const tokens: FencingToken[] = [];
    for (const deaths of [0, 1]) {
      const { token } = await tenure();
      tokens.push(token);
      expect(await begin(token)).toEqual({ kind: 'read', deaths });
      expect(await begin(token), 'a repeated call counts nothing').toEqual({ kind: 'read', deaths });
      await dies(token);
    }
    const third = await tenure();
    expect(await begin(third.token)).toEqual({ kind: 'poison', deaths: 2, now: true });
    await dies(third.token);
    const fourth = await tenure();
    expect(fourth.careful).toBe(true);
    expect(await begin(fourth.token)).toEqual({ kind: 'poison', deaths: 2, now: false });
    expect(await letters()).toMatchObject([{ kind: 'event', code: 'POISON', text: '{}' }]);
    expect(await begin(fourth.token, 'session/7')).toEqual({ kind: 'read', deaths: 0 });
    await endReading(client, keys, id, fourth.token);
    expect(await begin(fourth.token)).toEqual({ kind: 'poison', deaths: 2, now: false });
    expect(await letters()).toHaveLength(1);
    expect(await client.pttl(keys.connection(id).reading)).toBeGreaterThan(86_000_000);
    await expect(begin(tokens[0] as FencingToken)).resolves.toEqual({ kind: 'fenced' });
  });

  it('is not blamed for holders that died after they had read it, however many', async () => {
    for (let n = 0; n < 5; n += 1) {
      const { token } = await tenure();
      expect(await begin(token)).toEqual({ kind: 'read', deaths: 0 });
      await endReading(client, keys, id, token);
      await dies(token);
    }
    expect(await letters()).toEqual([]);
  });

  it('is not blamed for a death at another place, and what is read in between takes none back', async () => {
    const begun: unknown[] = [];
    for (const position of ['s/2', 's/1', 's/2', 's/3', 's/2', 's/3']) {
      const { token } = await tenure();
      begun.push({ position, ...(await begin(token, position)) });
      if (position === 's/1') await endReading(client, keys, id, token);
      await dies(token);
    }
    expect(begun).toEqual([
      { position: 's/2', kind: 'read', deaths: 0 },
      { position: 's/1', kind: 'read', deaths: 0 },
      { position: 's/2', kind: 'read', deaths: 1 },
      { position: 's/3', kind: 'read', deaths: 0 },
      { position: 's/2', kind: 'poison', deaths: 2, now: true },
      { position: 's/3', kind: 'read', deaths: 1 },
    ]);
  });
});

describe('careful reading (H8)', () => {
  const sink: InboundSink = {
    push: () => undefined,
    full: false,
    onFullChange: () => undefined,
    storedCursor: null,
    flush: async () => undefined,
  };
  const reading = (token: FencingToken, turnstile = new Turnstile()) =>
    createCarefulReading({
      client,
      keys,
      connection: id,
      token,
      needed: true,
      sink,
      turnstile,
      clock: systemClock,
      log: { warn: () => undefined, error: () => undefined } as never,
      signal: new AbortController().signal,
    });

  it('reads nothing under a token that is overtaken', async () => {
    const { token } = await tenure();
    await dies(token);
    const read: string[] = [];
    const one = reading(token).one({
      position: 'p',
      raw: '',
      read: () => read.push('read'),
      passOver: () => undefined,
    });
    await expect(one).rejects.toBeInstanceOf(FencedError);
    expect(read).toEqual([]);
  });

  it('has one event of the whole process in hand at a time, so that a death is laid to no other', async () => {
    const { token } = await tenure();
    const { reading: note } = keys.connection(id);
    const turnstile = new Turnstile();
    const readers = [reading(token, turnstile), reading(token, turnstile)];
    const seen: (string | null)[] = [];
    await Promise.all(
      readers.map((reader, n) =>
        reader.one({
          position: `p${n}`,
          raw: '',
          read: () => void client.hget(note, 'position').then((found) => seen.push(found)),
          passOver: () => undefined,
        }),
      ),
    );
    expect(seen).toEqual(['p0', 'p1']);
    expect(await client.hget(note, 'open')).toBe('');
  });

  it('ends after 1000 events', async () => {
    const { token } = await tenure();
    const reader = reading(token);
    for (let n = 0; n < 1_000; n += 1) {
      expect(reader.active).toBe(true);
      await reader.one({ position: `p${n}`, raw: '', read: () => undefined, passOver: () => undefined });
    }
    expect(reader.active).toBe(false);
  });
});
