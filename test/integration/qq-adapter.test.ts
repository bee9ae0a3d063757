/** The adapter's hold against the emulated platform, over real sockets; the journal is the platform's own record. */
import { afterEach, describe, expect, it } from 'vitest';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { FatalError, FencedError } from '../../src/errors.ts';
import type { Cursor } from '../../src/model.ts';
import { type Garbage, type QqEmulator, type QqOptions, startQq } from '../emulators/qq/index.ts';
import { MemorySink } from '../support/hold.ts';
import { type HeldQq, type HoldQqOptions, holdQq } from '../support/qq-hold.ts';

const running: { qq: QqEmulator; held: HeldQq[] }[] = [];

async function platform(options: QqOptions = {}) {
  const qq = await startQq({ heartbeatIntervalMs: 1_000, identifyLimit: { maxConcurrency: 100 }, ...options });
  const held: HeldQq[] = [];
  running.push({ qq, held });
  const hold = (given: HoldQqOptions = {}) => {
    const one = holdQq(qq, given);
    held.push(one);
    return one;
  };
  return { qq, hold, ...recordOf(qq) };
}

/** What the platform saw. */
function recordOf(qq: QqEmulator) {
  return {
    dials: () => qq.journal.count('dial'),
    identified: () => qq.journal.count('identify', (entry) => entry.outcome === 'accepted'),
    resumed: () => qq.journal.count('resume', (entry) => entry.outcome === 'accepted'),
    discoveries: () => qq.journal.count('http', (entry) => entry.path.startsWith('/gateway')),
  };
}

afterEach(async () => {
  for (const { qq, held } of running.splice(0)) {
    for (const each of held) each.abort(new Error('the test is over'));
    await Promise.all(held.map((each) => each.done));
    await qq.close();
  }
});

function reasons(held: HeldQq): string[] {
  return held.health.flatMap((entry) => (entry.what === 'lost' ? [entry.reason] : []));
}

async function failureOf(held: HeldQq): Promise<unknown> {
  const end = await held.done;
  if (end === 'drained') throw new Error('it drained');
  return end.error;
}

async function received(held: HeldQq, texts: readonly string[]) {
  await held.until(`messages ${texts.join(', ')}`, () => held.sink.texts().length >= texts.length);
  expect(held.sink.texts()).toEqual(texts);
}

function cursorOf(held: HeldQq): Record<string, Cursor> {
  return held.sink.storedCursor as Record<string, Cursor>;
}

describe('a connection', () => {
  it('identifies once and stores its session with READY', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold();
    await held.live();
    expect(held.health.at(-1)).toEqual({ what: 'live', how: 'identified' });
    expect(identified()).toBe(1);
    expect(qq.journal.of('identify')[0]).toMatchObject({ intents: 1_174_409_216 + (1 << 27), shard: [0, 1] });
    expect(held.sink.of('identified')).toHaveLength(1);
    expect(held.sink.of('gap')).toHaveLength(0);
    expect(held.permits).toEqual([
      [
        { count: 100, windowMs: 5_000 },
        { count: 950, windowMs: 86_400_000 },
      ],
    ]);
    expect(cursorOf(held)).toMatchObject({
      v: 1,
      appId: qq.appId,
      seq: 1,
      gatewayUrl: qq.gatewayUrl,
      unconfirmedResumes: 0,
    });
  });

  it('acknowledges a pressed button once, and not again when the event is replayed', async () => {
    const { qq, hold, resumed } = await platform();
    const held = hold();
    await held.live();
    const data = { type: 11, resolved: { button_id: '1' } };
    qq.event('INTERACTION_CREATE', { id: 'press-1', type: 11, scene: 'c2c', chat_type: 2, user_openid: 'ALICE', data });
    // An authorisation (type 18) shows no spinner and must not be answered.
    qq.event('INTERACTION_CREATE', { id: 'grant-1', type: 18, scene: 'c2c', chat_type: 2, user_openid: 'ALICE', data });
    await held.until('the acknowledgement', () => qq.journal.count('interaction-ack') > 0);
    qq.faults.replayOverlap(2);
    qq.faults.dropSockets({ how: 'rst' });
    await held.until('a Resume', () => resumed() === 1);
    qq.user('ALICE').say('after');
    await received(held, ['after']);
    expect(qq.journal.of('interaction-ack').map((entry) => entry.interactionId)).toEqual(['press-1']);
  });

  it('takes messages of every scene, each with the cursor that covers it', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    qq.user('ALICE').say('private');
    qq.group('GROUP').atBot('MIA', 'in a group');
    qq.group('GROUP').mention('MIA', 'to everybody');
    qq.channel('200', '100').atBot('300', 'in a channel');
    qq.dm('999').say('300', 'direct');
    await received(held, ['private', 'in a group', 'to everybody', 'in a channel', 'direct']);
    expect(held.sink.of('message').map((event) => event.conversation)).toEqual([
      'c2c:ALICE',
      'group:GROUP',
      'group:GROUP',
      'channel:100',
      'dm:999',
    ]);
    expect(held.sink.pushes.map(({ cursor }) => (cursor as { seq: number }).seq)).toEqual([1, 2, 3, 4, 5, 6]);
  });

  it('answers heartbeats with what is stored, not with what was received', async () => {
    class SlowSink extends MemorySink {
      override push(...[events, cursor]: Parameters<MemorySink['push']>): void {
        const { storedCursor } = this;
        super.push(events, cursor);
        if (this.pushes.length > 1) this.storedCursor = storedCursor;
      }
    }
    const { qq, hold } = await platform({ heartbeatIntervalMs: 100 });
    const held = hold({ sink: new SlowSink(null) });
    await held.live();
    qq.user('ALICE').say('one');
    await received(held, ['one']);
    const mark = qq.journal.mark();
    await qq.journal.waitForKind('heartbeat', () => true, { since: mark });
    expect(qq.journal.of('heartbeat').at(-1)?.d).toBe(1);
    expect(held.roundTrips()).toBeGreaterThan(0);
  });

  it('resumes from what is stored, not from what was received', async () => {
    class LosingSink extends MemorySink {
      override push(...[events, cursor]: Parameters<MemorySink['push']>): void {
        const { storedCursor } = this;
        super.push(events, cursor);
        if (events.some((event) => event.kind === 'message')) this.storedCursor = storedCursor;
      }
    }
    const { qq, hold } = await platform();
    const held = hold({ sink: new LosingSink(null) });
    await held.live();
    qq.user('ALICE').say('one');
    await received(held, ['one']);
    qq.faults.dropSockets({ how: 'rst' });
    const resume = await qq.journal.waitForKind('resume');
    expect(resume).toMatchObject({ outcome: 'accepted', replayed: 1 });
    await held.live(2);
    expect(held.sink.of('message').map((event) => event.text)).toEqual(['one', 'one']);
    expect([...held.sink.of('gap'), ...held.sink.of('malformed')]).toEqual([]);
  });

  it('beats at once when the platform asks', async () => {
    const { qq, hold } = await platform({ heartbeatIntervalMs: 30_000 });
    await hold().live();
    qq.faults.serverHeartbeat();
    await qq.journal.waitForKind('heartbeat', (entry) => entry.d === 1);
  });

  it('promises less silence once its pings are answered', async () => {
    const { hold } = await platform({ heartbeatIntervalMs: 10_000 });
    const held = hold({ options: { pingEveryMs: 50, pongDeadlineMs: 1_000 } });
    await held.until('both promises', () => held.silences.length >= 2);
    expect(held.silences).toContain(50 + 1_000 + 2_000);
  });

  it('never logs a secret or an access token', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    qq.faults.close(4004);
    await held.live(2);
    const log = held.lines.join('');
    for (const secret of [qq.clientSecret, ...qq.tokens()]) expect(log).not.toContain(secret);
  });
});

/** Ways a socket can end while the session lives; `detect`: the keepalive has to notice it by itself. */
const losses: readonly [string, (qq: QqEmulator) => void, Record<string, number>?][] = [
  ['close 4009', (qq) => qq.faults.close(4009, 'Session timed out')],
  ['op 7, then 4009', (qq) => qq.faults.op7({ close: { code: 4009, afterMs: 30 } })],
  ['op 7 without any close', (qq) => qq.faults.op7({ close: null })],
  ['op 7, and the old socket closing late', (qq) => qq.faults.lateClose()],
  ['a reset', (qq) => qq.faults.dropSockets({ how: 'rst' })],
  ['a FIN', (qq) => qq.faults.dropSockets({ how: 'fin' })],
  ['close 1000', (qq) => qq.faults.close(1000)],
  ['a close without a code', (qq) => qq.faults.dropSockets({ how: 'close', code: null })],
  ['close 4000, once', (qq) => qq.faults.close(4000)],
  ['close 4902, once', (qq) => qq.faults.close(4902)],
  ['a half-open socket', (qq) => qq.faults.halfOpen(), { pingEveryMs: 100, pongDeadlineMs: 100 }],
  ['withheld ACKs and pongs', (qq) => qq.faults.noAcks({ pongs: false }), { pingEveryMs: 100, pongDeadlineMs: 100 }],
  ['withheld ACKs, with pongs', (qq) => qq.faults.noAcks()],
];

describe('a lost socket costs nothing', () => {
  it.each(losses)('after %s: Resume, every message once, one session', async (_what, lose, options = {}) => {
    const { qq, hold, identified, resumed, dials } = await platform({ heartbeatIntervalMs: 400 });
    const held = hold({ options });
    await held.live();
    qq.user('ALICE').say('before');
    await received(held, ['before']);
    lose(qq);
    qq.user('ALICE').say('meanwhile');
    await held.live(2);
    qq.user('ALICE').say('after');
    await received(held, ['before', 'meanwhile', 'after']);
    expect({ identified: identified(), resumed: resumed(), dials: dials() }).toEqual({
      identified: 1,
      resumed: 1,
      dials: 2,
    });
    expect(held.sink.of('gap')).toEqual([]);
    expect(held.sink.of('resumed')).toHaveLength(1);
    expect(qq.overlap().peak).toBeLessThanOrEqual(_what.includes('late') ? 2 : 1);
  });

  it('five times in a row, and the heartbeat goes on after each (F04)', async () => {
    const { qq, hold, identified } = await platform({ heartbeatIntervalMs: 100 });
    const held = hold();
    for (let n = 1; n <= 5; n += 1) {
      await held.live(n);
      const mark = qq.journal.mark();
      await qq.journal.waitForKind('heartbeat', (entry) => entry.acked, { since: mark });
      qq.faults.dropSockets({ how: 'rst' });
    }
    await held.live(6);
    expect(identified()).toBe(1);
  });

  it('says what is wrong in words', async () => {
    const { qq, hold } = await platform({ heartbeatIntervalMs: 200 });
    const held = hold();
    await held.live();
    qq.faults.noAcks();
    await held.live(2);
    qq.faults.close(4009, 'Session timed out');
    await held.live(3);
    expect(reasons(held)).toEqual([
      'no ACK for our heartbeat within 200 ms: half-open socket',
      'gateway closed the connection with 4009 (connection expired, "Session timed out")',
    ]);
  });
});

describe('an outage', () => {
  it('of refused dials is survived, however many there are', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold();
    await held.live();
    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    qq.user('ALICE').say('during the outage');
    await held.until('12 attempts', () => held.causes.length >= 12);
    expect(reasons(held).at(-1)).toMatch(/ECONNREFUSED/);
    await qq.faults.acceptDials();
    await held.live(2);
    await received(held, ['during the outage']);
    expect(identified()).toBe(1);
  });

  it.each<[string, (qq: QqEmulator) => void, RegExp]>([
    ['dials that nobody answers', (qq) => qq.faults.blackHoleDials({ times: 2 }), /not open within 300 ms/],
    ['sockets without Hello', (qq) => qq.faults.noHello({ times: 2 }), /Hello did not come in time/],
    ['refused upgrades', (qq) => qq.faults.refuseUpgrade(502, { times: 2 }), /refused the upgrade with HTTP 502/],
    ['swallowed Resumes', (qq) => qq.faults.swallowIdentify({ times: 2 }), /RESUMED did not come in time/],
  ])('of %s is survived with a Resume', async (_what, fail, reason) => {
    const { qq, hold, identified, resumed } = await platform();
    const held = hold({ dialTimeoutMs: 300 });
    await held.live();
    fail(qq);
    qq.faults.dropSockets({ how: 'rst' });
    qq.user('ALICE').say('meanwhile');
    await held.live(2);
    await received(held, ['meanwhile']);
    expect([identified(), resumed()]).toEqual([1, 1]);
    expect(reasons(held).at(-1)).toMatch(reason);
  });

  it('at the very start is survived, too', async () => {
    const { qq, hold } = await platform();
    qq.faults.tokenHtml({ times: 2 });
    qq.faults.tokenReset({ times: 1 });
    qq.faults.gatewayError('html', { times: 2 });
    qq.faults.gatewayError('empty', { times: 1, status: 200 });
    qq.faults.refuseUpgrade(500, { times: 1 });
    qq.faults.swallowIdentify({ times: 1 });
    const held = hold({ dialTimeoutMs: 300 });
    await held.live();
    expect(reasons(held)).toEqual([
      expect.stringMatching(/access token: HTTP 502/),
      expect.stringMatching(/access token: HTTP 502/),
      expect.stringMatching(/access token: .*reset/),
      expect.stringMatching(/gateway discovery failed \(HTTP 500/),
      expect.stringMatching(/gateway discovery failed \(HTTP 500/),
      expect.stringMatching(/gateway discovery failed \(HTTP 200/),
      expect.stringMatching(/HTTP 500/),
      expect.stringMatching(/READY did not come in time/),
    ]);
  });
});

describe('discovery', () => {
  it('is not needed for a Resume', async () => {
    const { qq, hold, discoveries } = await platform();
    const held = hold();
    await held.live();
    qq.faults.gatewayError('html');
    for (let n = 2; n <= 5; n += 1) {
      qq.faults.close(4009);
      await held.live(n);
    }
    expect(discoveries()).toBe(1);
  });

  it('is asked again when the known URL leads nowhere', async () => {
    const { qq, hold, discoveries, resumed } = await platform();
    const first = hold();
    await first.live();
    first.drain();
    await first.done;
    const moved = { ...cursorOf(first), gatewayUrl: 'ws://127.0.0.1:1/websocket/' };
    const held = hold({ cursor: moved });
    await held.live();
    expect(reasons(held)).toHaveLength(3);
    expect([discoveries(), resumed()]).toEqual([2, 1]);
    expect(cursorOf(held)).toMatchObject({ gatewayUrl: qq.gatewayUrl });
  });

  it('that is too frequent is given a minute', async () => {
    const { qq, hold } = await platform();
    qq.faults.gatewayError('rate-limit', { times: 1 });
    const held = hold({ delayScale: 0.001 });
    await held.live();
    expect(held.causes[1]).toMatchObject({ minDelayMs: 60_000, reason: expect.stringContaining('HTTP 400') });
  });

  it('that fails is done without, where a URL is known', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold();
    await held.live();
    qq.faults.gatewayError('rate-limit');
    qq.faults.forgetSessions();
    qq.faults.close(4006);
    await held.live(2);
    expect(identified()).toBe(2);
    expect(reasons(held)).toHaveLength(1);
  });

  it.each([
    [
      'elsewhere',
      'ws://evil.test/',
      /evil\.test does not belong to 127\.0\.0\.1:\d+: if it is right, add its host to gatewayHosts/,
    ],
    ['on another host of this network', 'ws://10.255.0.1/', /10\.255\.0\.1 does not belong to/],
  ])('that names a gateway %s parks the connection, and dials nothing (M8)', async (_, url, words) => {
    const { qq, hold } = await platform();
    qq.faults.apiError({ name: 'json', status: 200, body: { url } }, { path: /^\/gateway/ });
    const held = hold();
    expect(await held.done).toMatchObject({
      error: { code: 'ADDRESS_REFUSED', message: expect.stringMatching(words) },
    });
    expect(qq.journal.count('dial')).toBe(0);
  });

  it('that names a gateway elsewhere is done without, where a URL is known (M8)', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold();
    await held.live();
    qq.faults.apiError({ name: 'json', status: 200, body: { url: 'ws://evil.test/' } }, { path: /^\/gateway/ });
    qq.faults.forgetSessions();
    qq.faults.close(4006);
    await held.live(2);
    expect(identified()).toBe(2);
  });

  it("is asked where the stored gateway is somebody else's, and the session is kept (M8)", async () => {
    const { qq, hold, discoveries, resumed, identified } = await platform();
    const first = hold();
    await first.live();
    first.drain();
    await first.done;
    const held = hold({ cursor: { ...cursorOf(first), gatewayUrl: 'ws://evil.test/websocket/' } });
    await held.live();
    expect(reasons(held)).toEqual([]);
    expect([discoveries(), resumed(), identified()]).toEqual([2, 1, 1]);
    expect(cursorOf(held)).toMatchObject({ gatewayUrl: qq.gatewayUrl });
  });

  it('that says no session is left is believed', async () => {
    const { qq, hold, identified } = await platform({ identifyLimit: { maxConcurrency: 100, resetAfterMs: 1_500 } });
    qq.faults.exhaustIdentifies();
    const held = hold({ delayScale: 1 });
    await held.live();
    expect(reasons(held)).toEqual([expect.stringContaining('no more sessions')]);
    expect([identified(), qq.journal.count('identify')]).toEqual([1, 1]);
  });
});

describe('a session that is really gone', () => {
  it.each<[string, (qq: QqEmulator) => void]>([
    ['op 9 and close 4903', (qq) => qq.faults.op9({ resumable: false, times: 1 })],
    ['op 9 and no close', (qq) => qq.faults.op9({ resumable: false, times: 1, thenClose: null })],
    ['close 4006', (qq) => qq.faults.staleSession({ times: 1 })],
    ['close 4007', (qq) => qq.faults.staleSession({ times: 1, code: 4007 })],
    ['close 4900', (qq) => qq.faults.closeOnAuth(4900, { times: 1, at: 'resume' })],
    ['close 4902, twice', (qq) => qq.faults.closeOnAuth(4902, { times: 2, at: 'resume' })],
    ['close 4000, twice', (qq) => qq.faults.closeOnAuth(4000, { times: 2, at: 'resume' })],
    ['RESUMED and a close, three times', (qq) => qq.faults.resumeThenDrop({ times: 3, afterMs: 10 })],
  ])('by %s is replaced, with a gap record', async (_what, refuse) => {
    const { qq, hold, identified } = await platform();
    const held = hold();
    await held.live();
    refuse(qq);
    qq.faults.dropSockets({ how: 'rst' });
    await held.until('a second session', () => held.sink.of('identified').length === 2);
    expect(identified()).toBe(2);
    expect(held.sink.of('gap')).toHaveLength(1);
    const { events } = held.sink.pushes.find((push) => push.events.some((event) => event.kind === 'gap')) ?? {
      events: [],
    };
    expect(events.map((event) => event.kind)).toEqual(['gap', 'identified']);
    qq.user('ALICE').say('again');
    await received(held, ['again']);
  });

  it('by op 9 with d true is resumed', async () => {
    const { qq, hold, identified, resumed } = await platform();
    const held = hold();
    await held.live();
    qq.faults.op9({ resumable: true, times: 1 });
    qq.faults.dropSockets({ how: 'rst' });
    await held.live(2);
    expect([identified(), resumed()]).toEqual([1, 1]);
  });

  it('by three Resumes without an answer is replaced, counted across holders (F12)', async () => {
    const { qq, hold, identified } = await platform();
    const first = hold({ dialTimeoutMs: 150 });
    await first.live();
    qq.faults.swallowIdentify({ times: 3 });
    qq.faults.dropSockets({ how: 'rst' });
    await first.until('one unanswered Resume', () => qq.journal.count('resume') === 1);
    first.abort(new Error('the worker dies'));
    await first.done;
    expect(cursorOf(first)).toMatchObject({ unconfirmedResumes: 1 });
    const second = hold({ cursor: first.sink.storedCursor, dialTimeoutMs: 150 });
    await second.live();
    expect(qq.journal.count('resume')).toBe(3);
    expect(identified()).toBe(2);
    expect(second.sink.of('gap')[0]?.text).toContain('3 Resumes in a row');
    expect(cursorOf(second)).toMatchObject({ unconfirmedResumes: 0 });
  });

  it('forgets unconfirmed Resumes as soon as one is confirmed', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold({ dialTimeoutMs: 150 });
    await held.live();
    for (let n = 2; n <= 4; n += 1) {
      qq.faults.swallowIdentify({ times: 2 });
      qq.faults.dropSockets({ how: 'rst' });
      await held.live(n);
    }
    expect(identified()).toBe(1);
    expect(cursorOf(held)).toMatchObject({ unconfirmedResumes: 0 });
  });

  it('old and quiet is replaced on plan, unless that is turned off (F38)', async () => {
    const { hold, identified } = await platform();
    const held = hold({ options: { freshIdentify: { afterMs: 200, quietMs: 100 } } });
    await held.live(2);
    expect(identified()).toBeGreaterThanOrEqual(2);
    expect(held.sink.of('gap')[0]?.text).toContain('planned');
    held.abort(new Error('enough'));
    await held.done;
    const off = hold({ cursor: held.sink.storedCursor, options: { freshIdentify: false } });
    await off.live();
    expect(off.sink.of('gap')).toEqual([]);
  });
});

describe('a planned fresh Identify that fails', () => {
  it('goes back to the old session, which lost nothing', async () => {
    const { qq, hold } = await platform();
    const first = hold();
    await first.live();
    first.drain();
    await first.done;
    const old = { ...cursorOf(first), identifiedAt: 1 };
    qq.faults.closeOnAuth(4900, { at: 'identify' });
    const held = hold({ cursor: old, options: { freshIdentify: { afterMs: 3_600_000, quietMs: 100 } } });
    await qq.journal.waitForKind('identify', (entry) => entry.outcome !== 'accepted');
    qq.user('ALICE').say('meanwhile');
    await held.live(2);
    await received(held, ['meanwhile']);
    expect(held.sink.of('gap')).toEqual([]);
  });
});

describe('a cursor that does not fit', () => {
  it.each<[string, Cursor]>([
    ['unreadable', { nonsense: true }],
    [
      'of another bot',
      {
        v: 1,
        appId: '9',
        intents: 1_174_409_216,
        shard: [0, 1],
        sessionId: 'S',
        seq: 1,
        gatewayUrl: 'ws://127.0.0.1:1/',
        user: null,
        identifiedAt: 1,
        unconfirmedResumes: 0,
      },
    ],
  ])('%s leads to an Identify with a gap record', async (_what, cursor) => {
    const { qq, hold } = await platform();
    const held = hold({ cursor });
    await held.live();
    expect(qq.journal.count('resume')).toBe(0);
    expect(held.sink.of('gap')).toHaveLength(1);
  });
});

describe('frames that make no sense', () => {
  const kinds: readonly Garbage[] = [
    'text',
    'json-array',
    'json-null',
    'empty',
    'binary',
    'no-op',
    'unknown-op',
    'unknown-event',
    'null-data',
    'string-timestamp',
    'broken-timestamp',
    'huge',
  ];

  it('are kept aside, move the cursor where they have a number, and cost no socket', async () => {
    const { qq, hold, dials } = await platform();
    const held = hold();
    await held.live();
    for (const kind of kinds) qq.faults.garbage(kind);
    const said = qq.user('ALICE').say('still here');
    await held.until('the message behind', () =>
      held.sink.of('message').some((event) => event.eventId === said.messageId),
    );
    expect(dials()).toBe(1);
    expect(held.sink.of('malformed')).toHaveLength(9);
    expect(held.sink.of('unknown')).toHaveLength(1);
    expect(held.sink.of('system')).toHaveLength(1);
    expect(held.sink.of('message')).toHaveLength(2);
    expect(held.sink.of('gap')).toEqual([]);
    expect(Math.max(...held.sink.of('malformed').map((event) => event.raw.length))).toBe(64 * 1024);
    expect(cursorOf(held).seq).toBe(said.copies[0]?.s);
    expect(held.lines.filter((line) => line.includes('"event":"malformed"')).length).toBe(9);
  });

  it('sent again under an older number are kept, noted, and do not move the cursor back', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    const first = qq.user('ALICE').say('one');
    qq.user('ALICE').say('two');
    qq.faults.duplicate({ seq: 'same', times: 1 });
    qq.user('ALICE').say('three');
    await held.until('the copy', () => held.sink.of('message').length === 4);
    expect(held.sink.texts()).toEqual(['one', 'two', 'three']);
    expect(cursorOf(held).seq).toBe((first.copies[0]?.s ?? 0) + 2);
    expect(held.sink.of('malformed')).toEqual([]);
  });
});

describe('a replay', () => {
  it('that overlaps repeats ids, moves the cursor only forward, and is no gap', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    for (const text of ['one', 'two', 'three']) qq.user('ALICE').say(text);
    await received(held, ['one', 'two', 'three']);
    qq.faults.replayOverlap(2, { times: 1 });
    qq.faults.dropSockets({ how: 'rst' });
    qq.user('ALICE').say('four');
    await received(held, ['one', 'two', 'three', 'four']);
    expect(held.sink.of('message')).toHaveLength(6);
    expect([...held.sink.of('gap'), ...held.sink.of('malformed')]).toEqual([]);
    const seqs = held.sink.pushes.flatMap(({ cursor }) => (cursor === null ? [] : [(cursor as { seq: number }).seq]));
    expect(seqs).toEqual([...seqs].sort((a, b) => a - b));
  });

  it('that lacks events leaves a gap record', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    qq.faults.gap(2, { times: 1 });
    qq.faults.refuseUpgrade(503, { times: 1 });
    qq.faults.dropSockets({ how: 'rst' });
    for (const text of ['lost', 'lost too', 'kept']) qq.user('ALICE').say(text);
    await received(held, ['kept']);
    expect(held.sink.of('gap').map((event) => event.text)).toEqual([
      expect.stringContaining('2 events were not delivered'),
    ]);
  });

  it('after lost RESUMED frames is no gap: those had numbers, too', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    qq.faults.resumeThenDrop({ times: 1, how: 'rst', afterMs: 0, sendResumed: true });
    qq.faults.dropSockets({ how: 'rst' });
    await held.until('two Resumes', () => qq.journal.count('resume') >= 2);
    await held.live(2);
    qq.user('ALICE').say('after');
    await received(held, ['after']);
    expect(held.sink.of('gap')).toEqual([]);
  });
});

describe('refusals of a person’s making', () => {
  it.each([4001, 4002, 4010, 4011, 4012, 4013, 4014, 4914, 4915])('close %i ends the hold with words', async (code) => {
    const { qq, hold } = await platform();
    qq.faults.closeOnAuth(code);
    const error = await failureOf(hold());
    expect(error).toBeInstanceOf(FatalError);
    expect((error as FatalError).message).toMatch(new RegExp(`${code}.*: .+`));
    // What is about intents is tried once more with the configured ones alone.
    expect(qq.journal.count('identify')).toBe([4013, 4014].includes(code) ? 2 : 1);
  });

  it('intents that were not granted are named', async () => {
    const { qq, hold } = await platform();
    const error = await failureOf(hold({ options: { intents: 512 } }));
    expect((error as FatalError).message).toContain('"intents"');
    expect(qq.journal.of('identify').map(({ intents }) => intents)).toEqual([512 + (1 << 27), 512]);
  });

  it('an audit intent that the bot may not have is left out, and said (G20)', async () => {
    const { qq, hold } = await platform({ grantedIntents: 1_174_409_216 });
    const held = hold();
    await held.live();
    expect(qq.journal.of('identify').map(({ intents }) => intents)).toEqual([1_174_409_216 + (1 << 27), 1_174_409_216]);
    expect(held.remarks).toEqual([expect.stringContaining('MESSAGE_AUDIT')]);
  });

  it('an Identify that is refused without a reason is tried with and without the audit intent (G20)', async () => {
    const { qq, hold } = await platform();
    qq.faults.refuseIdentify({ times: 1, closeAfterMs: 10 });
    const held = hold();
    await held.until('two Identifies', () => qq.journal.count('identify') === 2);
    expect(qq.journal.of('identify').map(({ intents }) => intents)).toEqual([1_174_409_216 + (1 << 27), 1_174_409_216]);
  });

  it('a wrong secret is fatal at once', async () => {
    const { hold } = await platform();
    const error = await failureOf(hold({ clientSecret: 'not the secret' }));
    expect(error).toMatchObject({ code: 'CREDENTIAL_REFUSED', disposition: 'give-up' });
  });

  it('a missing secret is fatal at once', async () => {
    const { hold } = await platform();
    expect(await failureOf(hold({ clientSecret: '' }))).toMatchObject({ code: 'CREDENTIAL_MISSING' });
  });

  it('three fresh tokens refused on Identify are fatal', async () => {
    const { qq, hold } = await platform();
    qq.faults.closeOnAuth(4004, { opNineFirst: true });
    expect(await failureOf(hold())).toMatchObject({ code: 'CREDENTIAL_REFUSED' });
    expect(qq.journal.count('identify')).toBe(3);
    expect(qq.journal.count('token')).toBeGreaterThanOrEqual(3);
  });

  it('an unlisted address makes this host unfit, whatever the HTTP status says', async () => {
    const { qq, hold } = await platform();
    qq.faults.ipNotListed({ times: 1 });
    const failure = await failureOf(hold());
    expect(failure).toMatchObject({ code: 'HOST_UNFIT', message: expect.stringMatching(/IP address.*whitelist/) });
    // No token was thrown away for it.
    expect(qq.journal.count('token')).toBe(1);
  });
});

describe('refusals that pass', () => {
  it('a revoked token costs one more Resume', async () => {
    const { qq, hold, identified, resumed } = await platform();
    const held = hold();
    await held.live();
    qq.faults.revokeTokens();
    qq.faults.dropSockets({ how: 'rst' });
    await held.live(2);
    expect([identified(), resumed(), qq.journal.count('resume')]).toEqual([1, 1, 2]);
  });

  it('refused Identifies wait longer each time', async () => {
    const { qq, hold } = await platform();
    qq.faults.refuseIdentify({ times: 3, closeAfterMs: 5 });
    const held = hold({ delayScale: 0.001 });
    await held.live();
    expect(held.causes.slice(1).map((cause) => cause?.minDelayMs)).toEqual([5_000, 10_000, 20_000]);
    expect(held.sink.of('gap')).toEqual([]);
  });

  it('sending too fast (4008) waits a minute and resumes', async () => {
    const { qq, hold, identified } = await platform();
    const held = hold({ delayScale: 0.001 });
    await held.live();
    qq.faults.close(4008);
    await held.live(2);
    expect(held.causes[1]).toMatchObject({ minDelayMs: 60_000 });
    expect(identified()).toBe(1);
  });

  it('an identify budget that is used up holds the Identify back', async () => {
    const { qq, hold } = await platform();
    let asked = 0;
    const budget = {
      async take() {
        asked += 1;
        if (asked < 3) return { granted: false, retryAfterMs: 1_000, reason: '1 per 5 s' } as const;
        return { granted: true } as const;
      },
    };
    const held = hold({ budget });
    await held.live();
    expect(qq.journal.count('identify')).toBe(1);
    expect(held.causes.slice(1)).toEqual([
      { kind: 'limit', minDelayMs: 1_000, reason: 'the shared identify budget is used up for now: 1 per 5 s' },
      { kind: 'limit', minDelayMs: 1_000, reason: 'the shared identify budget is used up for now: 1 per 5 s' },
    ]);
  });
});

describe('backpressure', () => {
  it('stops reading, keeps beating, and goes on without a new socket', async () => {
    const { qq, hold, dials } = await platform({ heartbeatIntervalMs: 2_000 });
    const held = hold({ options: { pingEveryMs: 50, pongDeadlineMs: 100 } });
    await held.live();
    await held.until('an answered ping', () => held.roundTrips() > 1);
    held.sink.full = true;
    const mark = qq.journal.mark();
    qq.user('ALICE').say('kept by the kernel');
    await qq.journal.waitForKind('heartbeat', () => true, { since: mark });
    expect(held.sink.texts()).toEqual([]);
    held.sink.full = false;
    await received(held, ['kept by the kernel']);
    expect(dials()).toBe(1);
  });

  it('for too long drops the socket, keeps the session, and resumes when there is room', async () => {
    const { qq, hold, identified, resumed, dials } = await platform({ heartbeatIntervalMs: 150 });
    const held = hold();
    await held.live();
    held.sink.full = true;
    qq.user('ALICE').say('kept by the platform');
    await held.until('a few waits', () => held.causes.length >= 4);
    expect(dials()).toBe(1);
    expect(reasons(held)[0]).toContain('storage is full or away');
    held.sink.full = false;
    await held.live(2);
    await received(held, ['kept by the platform']);
    expect([identified(), resumed()]).toEqual([1, 1]);
  });
});

describe('letting go', () => {
  it('by drain ends at once and leaves a session that another holder resumes', async () => {
    const { qq, hold, identified, resumed } = await platform({ clientCloseEndsSession: [1000, 1001] });
    const first = hold();
    await first.live();
    qq.user('ALICE').say('one');
    await received(first, ['one']);
    first.drain();
    expect(await first.done).toBe('drained');
    expect(first.sink.flushes).toBe(1);
    await qq.journal.waitForKind('close', (entry) => entry.by === 'client' && entry.code === 1006);
    qq.user('ALICE').say('two');
    const second = hold({ cursor: first.sink.storedCursor });
    await second.live();
    expect(second.health.at(-1)).toEqual({ what: 'live', how: 'resumed' });
    await received(second, ['two']);
    expect([identified(), resumed()]).toEqual([1, 1]);
  });

  it('by drain while an Identify is out waits for its READY: the session is for whoever resumes it (F10, F34)', async () => {
    const { qq, hold, identified, resumed } = await platform();
    const first = hold();
    // Seen before the event loop reads what the platform answered.
    await qq.journal.waitForKind('identify', (entry) => entry.outcome === 'accepted');
    first.drain();
    expect(await first.done).toBe('drained');
    expect(first.health.filter(({ what }) => what === 'live')).toEqual([]);
    qq.user('ALICE').say('said to a session that nobody holds');
    const second = hold({ cursor: first.sink.storedCursor });
    await received(second, ['said to a session that nobody holds']);
    expect([identified(), resumed()]).toEqual([1, 1]);
  });

  it('leaves no timer behind', async () => {
    const { qq, hold } = await platform({ heartbeatIntervalMs: 60_000 });
    const timers = () => process.getActiveResourcesInfo().filter((resource) => resource === 'Timeout').length;
    const before = timers();
    const held = hold({
      options: { pingEveryMs: 3_600_000, freshIdentify: { afterMs: 7_200_000, quietMs: 3_600_000 } },
    });
    await held.live();
    qq.faults.dropSockets({ how: 'rst' });
    await held.live(2);
    expect(timers()).toBeGreaterThan(before);
    held.drain();
    await held.done;
    await held.until('no more timers than before', () => timers() <= before);
  });

  it('by drain works in every phase', async () => {
    const { qq, hold } = await platform();
    qq.faults.blackHoleDials({ times: 1 });
    const dialing = hold();
    await dialing.until('a dial', () => qq.journal.count('dial') === 1);
    dialing.drain();
    expect(await dialing.done).toBe('drained');

    qq.faults.swallowIdentify({ times: 1 });
    const identifying = hold();
    await identifying.until('an Identify', () => qq.journal.count('identify') === 1);
    identifying.drain();
    expect(await identifying.done).toBe('drained');

    qq.faults.tokenHang({ times: 1 });
    const discovering = hold();
    await qq.journal.waitForKind('fault', (entry) => entry.phase === 'hit' && entry.point === 'token');
    discovering.drain();
    expect(await discovering.done).toBe('drained');

    await qq.faults.refuseDials();
    const waiting = hold({ delayScale: 1 });
    await waiting.until('a wait', () => waiting.causes.length >= 2);
    waiting.drain();
    expect(await waiting.done).toBe('drained');
  });

  it('by abort cuts the socket and rejects with the very reason', async () => {
    const { qq, hold } = await platform();
    const held = hold();
    await held.live();
    const reason = new FencedError('overtaken');
    held.abort(reason);
    expect(await failureOf(held)).toBe(reason);
    await qq.journal.waitForKind('close', (entry) => entry.by === 'client');
    expect(qq.liveSockets()).toBe(0);
  });

  it('by a lease that is found lost sends nothing for the connection', async () => {
    const { qq, hold } = await platform();
    const fenced = new FencedError('the lease may have run out');
    const held = hold({
      assertHeld: () => {
        throw fenced;
      },
    });
    expect(await failureOf(held)).toBe(fenced);
    expect(qq.journal.count('identify')).toBe(0);
  });

  it('by a lease that is found lost at a heartbeat ends the hold', async () => {
    const { qq, hold } = await platform({ heartbeatIntervalMs: 60 });
    let holds = true;
    const fenced = new FencedError('the lease may have run out');
    const held = hold({
      assertHeld: () => {
        if (!holds) throw fenced;
      },
    });
    await held.live();
    holds = false;
    const mark = qq.journal.mark();
    expect(await failureOf(held)).toBe(fenced);
    expect(qq.journal.of('heartbeat', () => true, mark)).toEqual([]);
  });
});

describe('options', () => {
  const adapter = createQqAdapter();
  it('name the account', () => {
    expect(adapter.accountOf({ appId: '102000001' })).toBe('102000001');
  });
  it('that make no sense are refused with the key', () => {
    expect(() => adapter.accountOf({ appId: 102000001 })).toThrow(/^appId: /);
    expect(() => adapter.accountOf({ appId: '1', apiBaseUrl: 'ftp://x' })).toThrow(/^apiBaseUrl: /);
    expect(() => adapter.accountOf(null)).toThrow(/qq options/);
  });
});
