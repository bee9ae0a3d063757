/** One `up` under a platform that does what it should not: each test orders one misbehaviour, and people go on talking. */
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { connectionId } from '../../src/model.ts';
import { listDeadLetters } from '../../src/state/dead-letters.ts';
import type { Garbage } from '../emulators/qq/index.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, qqConnection, SCALED_PINGS, SCALED_TIMINGS } from '../support/installation.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { CLOSED_BOUND_MS, StatusWatch } from '../support/status-watch.ts';
import { waitUntil } from '../support/wait-until.ts';

const IDENTIFY_WINDOW_MS = 2_000;
/** From src/async/backoff.ts: no loop is free of delay. */
const LEAST_DELAY_MS = 100;

describe('a platform that misbehaves', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let watch: StatusWatch;
  let up: ServedProcess;
  let mark: number;
  let linesBefore: number;
  let before: Awaited<ReturnType<Installation['connection']>>;

  beforeAll(async () => {
    qq = await startQq({ heartbeatIntervalMs: 1_000, identifyLimit: { windowMs: IDENTIFY_WINDOW_MS } });
    installation = await install({ connections: [qqConnection(qq)], timings: SCALED_TIMINGS });
    up = await installation.up();
    await installation.live();
    watch = new StatusWatch({
      status: () => installation.status(),
      bot: qq,
      halfOpenBoundMs: SCALED_PINGS.pingEveryMs + SCALED_PINGS.pongDeadlineMs + CLOSED_BOUND_MS,
    });
  });

  beforeEach(async () => {
    before = await installation.live();
    mark = qq.journal.mark();
    linesBefore = up.lines.length;
  });

  afterEach(async () => {
    await qq.faults.clear();
    qq.faults.behaveAgain();
    expect(watch.violations.splice(0)).toEqual([]);
  });

  afterAll(async () => {
    watch?.[Symbol.dispose]();
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  /** How often something happened in this test. */
  const since = (kind: 'identify' | 'resume' | 'resumed' | 'dial') => qq.journal.of(kind, undefined, mark).length;
  const talk = (name: string) => new Conversations(qq, qq.journal, { name, everyMs: 50 }).start();

  async function expectAllAnswered(people: Conversations): Promise<void> {
    const account = await people.account();
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  }

  async function resumed(times = 1): Promise<void> {
    await waitUntil('the session to be resumed', () => since('resumed') >= times && qq.view().live, {
      timeoutMs: 15_000,
      explain: () => `${qq.journal.summary()}\n${up.tail()}`,
    });
  }

  it('closes with 4009, its routine recycling: resumed, never identified (F11)', async () => {
    const people = talk('RECYCLED');
    await delay(300);
    qq.faults.close(4009);
    await resumed();
    await expectAllAnswered(people);
    expect(since('identify')).toBe(0);
  });

  it('asks to reconnect and closes the old socket late: one new socket, and no second one (F13)', async () => {
    const people = talk('OP7');
    await delay(300);
    qq.faults.lateClose({ afterMs: 200 });
    await resumed();
    await delay(1_000);
    await expectAllAnswered(people);
    expect(since('dial')).toBe(1);
    expect(since('identify')).toBe(0);
    expect(qq.liveSockets()).toBe(1);
  });

  it('answers pings but no heartbeat any more: noticed by the missing ACK, and resumed (F03)', async () => {
    const people = talk('NO-ACK');
    await delay(300);
    expect(qq.faults.noAcks({ pongs: true })).toBe(1);
    await resumed();
    await expectAllAnswered(people);
    expect(reasons()).toMatch(/no ACK for our heartbeat/);
    expect(since('identify')).toBe(0);
  });

  it('swallows dials: each has a deadline that status shows, and the first that is answered resumes (F01, F23)', async () => {
    const people = talk('BLACK-HOLE');
    await delay(300);
    const holes = [qq.faults.blackHoleDials({ times: 1 }), qq.faults.noHello({ times: 1 })];
    qq.faults.dropSockets({ how: 'rst' });
    const during = await installation.waitFor('to be dialing', ({ state }) => state === 'connecting');
    expect(Date.parse(String(during.nextAttemptAt)) - Date.now()).toBeLessThanOrEqual(SCALED_TIMINGS.dialTimeoutMs);
    await resumed();
    await expectAllAnswered(people);
    expect(holes.map(({ hits }) => hits)).toEqual([1, 1]);
    expect(since('identify')).toBe(0);
  });

  /** Why the connection was not live in this test, as logged. */
  function reasons(): string {
    return up.lines
      .slice(linesBefore)
      .filter(({ event, reason }) => event === 'state' && typeof reason === 'string')
      .map(({ reason }) => reason)
      .join('\n');
  }

  it('accepts Resume and drops the socket without a word, again and again: three times, then Identify with a gap record (F12, F08)', async () => {
    qq.faults.resumeThenDrop({ code: 4009, sendResumed: false });
    qq.faults.close(4009);
    await waitUntil('a new session', () => since('identify') === 1 && qq.view().live, { timeoutMs: 20_000 });
    const after = await installation.waitFor(
      'to be live with a gap on record',
      ({ state, counters }) => state === 'live' && counters.gaps === before.counters.gaps + 1,
    );
    expect(since('resume')).toBe(3);
    expect(after.counters.identified).toBe(before.counters.identified + 1);
    const { client, keys } = await installation.reader();
    const records = await client.xrevrange(keys.connection(connectionId('qq-main')).records, '+', '-', 'COUNT', 5);
    expect(JSON.stringify(records)).toMatch(/gap.*3 Resumes in a row were neither confirmed nor refused/);
    expectPacedDials();
    await expectAllAnswered(talkOnce('AFTER-GAP'));
  });

  /** No two dials closer than the least delay: a loop without a pause would show here. */
  function expectPacedDials(): void {
    const dials = qq.journal.of('dial', undefined, mark).map(({ at }) => at);
    const gaps = dials.slice(1).map((at, index) => at - (dials[index] ?? 0));
    // Both ends are looked at by wall clock: a few ms of rounding are allowed.
    expect(gaps.filter((gap) => gap < LEAST_DELAY_MS - 20)).toEqual([]);
  }

  function talkOnce(name: string): Conversations {
    const people = new Conversations(qq, qq.journal, { name, users: 1 });
    people.say();
    return people;
  }

  it('greets every socket and closes it with 4009 at once: re-dialed with pauses for as long as it lasts, and back when it stops (F02, F08, F20)', async () => {
    const order = qq.faults.closeOnAuth(4009);
    qq.faults.close(4009);
    await waitUntil('five closed sockets', () => order.hits >= 5, { timeoutMs: 40_000, explain: () => up.tail() });
    const during = await installation.connection();
    order.clear();
    await waitUntil('a live socket', () => qq.view().live, { timeoutMs: 20_000 });
    expect(during.state).not.toBe('live');
    expect(during.attempt).toBeGreaterThanOrEqual(3);
    expect(since('resume')).toBe(3);
    const identifies = qq.journal.of('identify', undefined, mark).map(({ at }) => at);
    const pauses = identifies.slice(1).map((at, index) => at - (identifies[index] ?? 0));
    expect(pauses.filter((pause) => pause < IDENTIFY_WINDOW_MS)).toEqual([]);
    expectPacedDials();
    await installation.waitFor(
      'to be live with a gap on record',
      ({ state, counters }) => state === 'live' && counters.gaps === before.counters.gaps + 1,
    );
  });

  it('sends events twice, under new numbers and under the same: answered once each (F17)', async () => {
    const fresh = qq.faults.duplicate({ copies: 1, seq: 'new', times: 10 });
    const people = talk('TWICE');
    await waitUntil('duplicates', () => fresh.hits === 10);
    const same = qq.faults.duplicate({ copies: 2, seq: 'same', times: 10 });
    await waitUntil('more duplicates', () => same.hits === 10);
    await expectAllAnswered(people);
    expect((await installation.connection()).counters.duplicates).toBeGreaterThanOrEqual(
      before.counters.duplicates + 10,
    );
  });

  it('replays after Resume what was handled already: answered once each (F17)', async () => {
    const people = talk('OVERLAP');
    await delay(700);
    const overlap = qq.faults.replayOverlap(10, { times: 1 });
    qq.faults.close(4009);
    await resumed();
    await expectAllAnswered(people);
    expect(overlap.hits).toBe(1);
    expect((await installation.connection()).counters.duplicates).toBeGreaterThan(before.counters.duplicates);
  });

  it('takes its gateway away while replies are under way: they go out without a socket (F18)', async () => {
    qq.faults.sendFail({ times: 3 });
    const people = new Conversations(qq, qq.journal, { name: 'NO-SOCKET', users: 3 });
    const said = [people.say(), people.say(), people.say()];
    await qq.journal.waitForKind('send', ({ fault }) => fault !== null, { since: mark });
    await qq.faults.refuseDials('gateway');
    qq.faults.dropSockets({ how: 'rst' });
    await qq.journal.waitUntil(() => said.every(({ messageId }) => qq.journal.repliesTo(messageId).length === 1), {
      timeoutMs: 15_000,
    });
    expect(qq.liveSockets()).toBe(0);
    expect((await installation.connection()).state).not.toBe('live');
    await qq.faults.acceptDials();
    await resumed();
    await expectAllAnswered(people);
  });

  it('answers sends with resets, 5xx, empty bodies, HTML and slow drips: still answered once each (F17, F18)', async () => {
    const orders = [
      qq.faults.sendLost({ times: 3 }),
      qq.faults.sendFail({ times: 3, status: 500 }),
      qq.faults.sendEmpty({ times: 3 }),
      qq.faults.sendFail({ times: 3, status: 502, delivered: true, consumesSeq: true }),
      qq.faults.sendDrip({ times: 2, overMs: 500 }),
    ];
    const people = talk('ROUGH');
    await waitUntil('all faults to be hit', () => orders.every(({ hits }) => hits >= 2), {
      timeoutMs: 20_000,
      explain: () => JSON.stringify(orders.map(({ hits }) => hits)),
    });
    await expectAllAnswered(people);
  });

  it('refuses a reply for good: asked once, kept as a dead letter, the person is told, and the conversation goes on (F19)', async () => {
    qq.faults.sendError(40034006, { chatId: 'REFUSED-0', times: 1 });
    const people = new Conversations(qq, qq.journal, { name: 'REFUSED', users: 1 });
    const refused = people.say();
    const { client, keys } = await installation.reader();
    const letters = () => listDeadLetters(client, keys, connectionId('qq-main'));
    await waitUntil('a dead letter', async () => (await letters()).length === 1);
    const next = people.say();
    await qq.journal.waitUntil(() => qq.journal.repliesTo(next.messageId).length === 1);
    const sends = qq.journal.of('send', ({ replyTo }) => replyTo === refused.messageId);
    expect(sends.map(({ text, delivered }) => [text.startsWith('echo: '), delivered])).toEqual([
      [true, false],
      // The notice in its place (G06).
      [false, true],
    ]);
    expect((await letters())[0]).toMatchObject({ outcome: 'rejected', text: expect.stringMatching(/^echo: /) });
    const line = up.lines.slice(linesBefore).find(({ event }) => event?.startsWith('send-'));
    expect(['warn', 'error']).toContain(line?.level);
  });

  it('sends what is no gateway frame: logged, counted, kept aside, and nothing accepted is lost', async () => {
    const kinds: Garbage[] = [
      ...(['text', 'json-array', 'json-null', 'empty', 'binary', 'no-op', 'unknown-op', 'unknown-event'] as const),
      ...(['null-data', 'string-timestamp', 'broken-timestamp', 'old-number', 'huge'] as const),
    ];
    const people = talk('GARBAGE');
    for (const kind of kinds) {
      qq.faults.garbage(kind);
      await delay(60);
    }
    await delay(500);
    await expectAllAnswered(people);
    const malformed = ['text', 'json-array', 'json-null', 'empty', 'binary', 'no-op', 'unknown-op', 'null-data'];
    const after = await installation.waitFor(
      'to have counted them',
      ({ counters }) => counters.malformed >= before.counters.malformed + malformed.length,
    );
    expect(after.counters.malformed).toBeGreaterThanOrEqual(before.counters.malformed + malformed.length + 2);
    const warned = up.lines.slice(linesBefore).filter(({ event, level }) => event === 'malformed' && level === 'warn');
    expect(warned.length).toBeGreaterThanOrEqual(malformed.length + 2);
    const { client, keys } = await installation.reader();
    const records = JSON.stringify(
      await client.xrevrange(keys.connection(connectionId('qq-main')).records, '+', '-', 'COUNT', 40),
    );
    for (const trace of ['surely no JSON', 'FEATURE_OF_TOMORROW', 'sequence went back', '"op":99']) {
      expect(records.replaceAll('\\', '')).toContain(trace);
    }
    expect(after.fencingToken).toBe(before.fencingToken);
    expect(qq.journal.of('close', undefined, mark)).toEqual([]);
  });

  it('forgets its sessions twice in a row: identifies stay within its limit, shared by all hosts (F20)', async () => {
    for (const round of [1, 2]) {
      qq.faults.forgetSessions();
      qq.faults.close(4009);
      await waitUntil('a new session', () => since('identify') === round && qq.view().live, { timeoutMs: 20_000 });
    }
    const identifies = qq.journal.of('identify', undefined, mark);
    expect(identifies.map(({ outcome }) => outcome)).toEqual(['accepted', 'accepted']);
    expect((identifies[1]?.at ?? 0) - (identifies[0]?.at ?? 0)).toBeGreaterThanOrEqual(IDENTIFY_WINDOW_MS);
    await installation.waitFor(
      'to have both gaps on record',
      ({ state, counters }) => state === 'live' && counters.gaps === before.counters.gaps + 2,
    );
    await expectAllAnswered(talkOnce('REMEMBERED'));
  });

  it('voids all access tokens: a new one is fetched, for sends and for Resume (F15)', async () => {
    qq.faults.revokeTokens();
    const people = talk('REVOKED');
    await delay(500);
    qq.faults.close(4009);
    await waitUntil('a live socket', () => qq.view().live, { timeoutMs: 20_000 });
    await expectAllAnswered(people);
    expect(since('identify')).toBe(0);
  });
});
