/** The adapter's hold against the emulated platform, over real sockets; the journal is the platform's own record. */
import { afterEach, describe, expect, it } from 'vitest';
import { FatalError, FencedError } from '../../src/errors.ts';
import type { Cursor } from '../../src/model.ts';
import { startTelegram, type TelegramEmulator, type TelegramOptions } from '../emulators/telegram/index.ts';
import { MemorySink } from '../support/hold.ts';
import { type HeldTelegram, type HoldTelegramOptions, holdTelegram } from '../support/telegram-hold.ts';
import { waitUntil } from '../support/wait-until.ts';

const running: { telegram: TelegramEmulator; held: HeldTelegram[] }[] = [];

async function platform(options: TelegramOptions = {}) {
  const telegram = await startTelegram({ conflictHoldMs: 100, ...options });
  const held: HeldTelegram[] = [];
  running.push({ telegram, held });
  const hold = (given: HoldTelegramOptions = {}) => {
    const one = holdTelegram(telegram, given);
    held.push(one);
    return one;
  };
  const bot = telegram.bot();
  return { telegram, bot, hold, polls: (since = 0) => telegram.journal.calls('getUpdates', since) };
}

afterEach(async () => {
  for (const { telegram, held } of running.splice(0)) {
    for (const each of held) each.abort(new Error('the test is over'));
    await Promise.all(held.map((each) => each.done));
    await telegram.close();
  }
});

async function parked({ bot, held }: { bot: ReturnType<TelegramEmulator['bot']>; held: HeldTelegram }) {
  await held.until('a parked poll', () => bot.isPolling);
}

async function received(held: HeldTelegram, texts: readonly string[]) {
  await held.until(`messages ${texts.join(', ')}`, () => held.sink.texts().length >= texts.length);
  expect(held.sink.texts()).toEqual(texts);
}

function reasons(held: HeldTelegram): string[] {
  return held.health.flatMap((entry) => (entry.what === 'lost' ? [entry.reason] : []));
}

async function failureOf(held: HeldTelegram): Promise<unknown> {
  const end = await held.done;
  if (end === 'drained') throw new Error('it drained');
  return end.error;
}

function offsetOf(held: HeldTelegram): unknown {
  return (held.sink.storedCursor as Record<string, Cursor> | null)?.offset;
}

/** Another program with the same token: polls, and polls again after each conflict. */
function rival(telegram: TelegramEmulator, signal: AbortSignal): Promise<void> {
  const poll = async () => {
    while (!signal.aborted) {
      const url = `${telegram.url}/bot${telegram.token}/getUpdates?timeout=50`;
      const answer = await fetch(url, { signal }).then((response) => response.status);
      if (answer === 409) await new Promise((resolve) => setTimeout(resolve, 30));
    }
  };
  return poll().catch(() => undefined);
}

describe('a start', () => {
  it('asks who it is and whether a webhook is set, and is live by its first completed poll (F23)', async () => {
    const { telegram, bot, hold, polls } = await platform();
    const held = hold();
    await held.live();
    expect(held.health).toContainEqual({ what: 'live', how: 'identified' });
    expect(
      telegram.journal
        .of('call')
        .map(({ method }) => method)
        .slice(0, 3),
    ).toEqual(['getme', 'getwebhookinfo', 'getupdates']);
    const [first] = polls();
    expect(first?.args).toMatchObject({ timeout: '0', limit: '100' });
    expect(first?.args).not.toHaveProperty('offset');
    expect(JSON.parse(first?.args.allowed_updates ?? '')).toContain('callback_query');
    await parked({ bot, held });
    expect(polls()[1]?.args).toMatchObject({ timeout: '25' });
    expect(held.sink.of('identified')).toHaveLength(1);
    expect(held.sink.of('gap')).toHaveLength(0);
    expect(held.silences.at(-1)).toBeGreaterThan(25_000);
  });

  it('is not live while nothing but the start went well (F23)', async () => {
    const { telegram, hold } = await platform();
    const order = telegram.faults.pollHang();
    const held = hold({ dialTimeoutMs: 200 });
    await held.until('polls that hang', () => order.hits >= 2, 15_000);
    expect(held.health.filter(({ what }) => what === 'live')).toEqual([]);
    expect(held.roundTrips()).toBe(0);
    expect(reasons(held)[0]).toMatch(/getUpdates: no answer within 3200 ms/);
    order.clear();
    await held.live();
  });

  it('processes what waited at the platform (F25)', async () => {
    const { bot, hold } = await platform();
    bot.say(5, 'one');
    bot.say(5, 'two');
    const held = hold();
    await received(held, ['one', 'two']);
    expect(held.sink.of('gap')).toHaveLength(0);
  });

  it('throws the backlog away only when told to, only the very first time, and says so (F25)', async () => {
    const { telegram, bot, hold } = await platform();
    bot.say(5, 'old');
    const held = hold({ options: { dropPending: true } });
    await held.live();
    bot.say(5, 'new');
    await received(held, ['new']);
    expect(held.sink.of('gap').map(({ text }) => text)).toEqual([expect.stringContaining('dropPending')]);
    expect(held.sink.of('identified')).toHaveLength(1);
    held.drain();
    await held.done;
    bot.say(5, 'meanwhile');
    const next = hold({ options: { dropPending: true }, cursor: held.sink.storedCursor });
    await received(next, ['meanwhile']);
    expect(telegram.journal.calls('deleteWebhook')).toHaveLength(1);
  });

  it('asks the host for a permit once, and not where the bot was polled lately', async () => {
    const { hold, telegram } = await platform();
    const asked: unknown[] = [];
    let granted = false;
    const budget: HoldTelegramOptions['budget'] = {
      async take(name, limits, { scope }) {
        asked.push({ name, limits, scope });
        return granted ? { granted } : { granted, retryAfterMs: 10, reason: 'used up' };
      },
    };
    const held = hold({ budget });
    await held.until('refusals', () => asked.length >= 2);
    expect(telegram.journal.of('call')).toHaveLength(0);
    expect(reasons(held)[0]).toMatch(/new bots.*used up/);
    granted = true;
    await held.live();
    expect(asked.at(-1)).toMatchObject({ name: 'new-bot', scope: 'host' });
    const times = asked.length;
    held.drain();
    await held.done;
    const warm = hold({ budget, cursor: held.sink.storedCursor });
    await warm.live();
    expect(asked).toHaveLength(times);
  });
});

describe('polling', () => {
  it('stores every batch with the offset that follows it, and confirms only what is stored', async () => {
    const { bot, hold, polls } = await platform();
    const held = hold();
    await parked({ bot, held });
    const said = [bot.say(5, 'a'), bot.say(6, 'b')];
    await received(held, ['a', 'b']);
    await held.until('a confirmation', () => bot.pending().length === 0);
    expect(offsetOf(held)).toBe((said[1]?.updateId ?? 0) + 1);
    expect(polls().at(-1)?.args.offset).toBe(String(offsetOf(held)));
    expect(held.sink.of('message').map((event) => event.eventId)).toEqual(said.map(({ updateId }) => String(updateId)));
  });

  it('does not poll, and so confirms nothing, until what it has is stored', async () => {
    const { bot, hold, polls } = await platform();
    const sink = new StuckSink(null);
    const held = hold({ sink });
    await parked({ bot, held });
    sink.stuck = true;
    bot.say(5, 'kept');
    await held.until('a pause that is said', () => reasons(held).length > 0, 8_000);
    expect(reasons(held)[0]).toMatch(/storage is full or away/);
    const polled = polls().length;
    await held.until('further attempts', () => reasons(held).length > 1, 8_000);
    expect(polls()).toHaveLength(polled);
    expect(bot.pending()).toHaveLength(1);
    sink.stuck = false;
    await held.until('a confirmation', () => bot.pending().length === 0);
    expect(held.sink.texts()).toEqual(['kept']);
  });

  it('stops while the sink has no room', async () => {
    const { bot, hold, polls } = await platform();
    const held = hold();
    await parked({ bot, held });
    held.sink.full = true;
    bot.say(5, 'one');
    await received(held, ['one']);
    await held.until('a pause', () => reasons(held).length > 0);
    const polled = polls().length;
    bot.say(5, 'two');
    await held.until('attempts', () => held.causes.length >= 4);
    expect(polls()).toHaveLength(polled);
    held.sink.full = false;
    await received(held, ['one', 'two']);
  });

  it('takes ids that start anew, lower, after a week of silence', async () => {
    const { telegram, bot, hold } = await platform({ firstUpdateId: 900_000_000 });
    const held = hold();
    bot.say(5, 'before');
    await received(held, ['before']);
    const before = Number(offsetOf(held));
    held.drain();
    await held.done;
    telegram.clock.advance(8 * 86_400_000);
    bot.say(5, 'after');
    const next = hold({ cursor: held.sink.storedCursor });
    await received(next, ['after']);
    expect(Number(offsetOf(next))).toBeLessThan(before);
    await next.until('a confirmation', () => bot.pending().length === 0);
  });

  it('says when nobody polled for longer than the platform keeps updates', async () => {
    const { telegram, hold } = await platform();
    const held = hold();
    await held.live();
    held.drain();
    await held.done;
    const old = { ...(held.sink.storedCursor as Record<string, Cursor>), polledAt: Date.now() - 30 * 3_600_000 };
    const next = hold({ cursor: old });
    await next.live();
    expect(next.sink.of('gap').map(({ text }) => text)).toEqual([expect.stringContaining('nobody polled for 30 h')]);
    expect(telegram.journal.count('fault')).toBe(0);
  });

  it('does not inherit the position of another bot, and takes one it cannot read for a gap', async () => {
    const { telegram, bot, hold, polls } = await platform();
    bot.say(5, 'hello');
    const held = hold({ cursor: { v: 1, botId: '1', offset: 999_999_999_999, allowed: '', polledAt: Date.now() } });
    await received(held, ['hello']);
    expect(polls()[0]?.args).not.toHaveProperty('offset');
    expect(held.sink.of('gap')).toHaveLength(0);
    held.drain();
    await held.done;
    const other = hold({ cursor: { v: 99 } });
    await other.live();
    expect(other.sink.of('gap')).toHaveLength(1);
    expect(telegram.journal.calls('getUpdates').every(({ args }) => args.offset !== '999999999999')).toBe(true);
  });

  it('keeps kinds that nobody knows, and what makes no sense, and goes on', async () => {
    const { bot, hold } = await platform();
    // Before we have said what we want to be told.
    bot.event('poll', { id: '1', question: 'who asked?' });
    const held = hold();
    await parked({ bot, held });
    bot.event('message', { message_id: 'seven' });
    bot.say(5, 'understood');
    await received(held, ['understood']);
    expect(held.sink.of('unknown').map(({ text }) => text)).toEqual(['poll']);
    expect(held.sink.of('malformed')).toHaveLength(1);
    await held.until('a confirmation', () => bot.pending().length === 0);
  });

  it('answers a pressed button after it is stored', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    const question = bot.say(5, 'menu');
    await received(held, ['menu']);
    const { queryId } = bot.chat(5).press(question.messageId, 'choice:1');
    await received(held, ['menu', 'choice:1']);
    await held.until('the answer', () => telegram.journal.count('callback-answered') === 1);
    expect(telegram.journal.of('callback-answered')[0]).toMatchObject({ queryId });
  });

  it('spaces polls of a server that does not wait', async () => {
    const { telegram, bot, hold, polls } = await platform();
    const held = hold();
    await parked({ bot, held });
    // A poll that is refused waits for nothing, and neither does this one: it is answered [] at once, again and again.
    const ended = setInterval(() => telegram.faults.restart({ forMs: 0 }), 5);
    const from = performance.now();
    const since = telegram.journal.mark();
    await held.until('ten polls', () => polls(since).length >= 10);
    clearInterval(ended);
    expect(performance.now() - from).toBeGreaterThan(1_500);
  });
});

class StuckSink extends MemorySink {
  #stuck = false;
  #waiters: (() => void)[] = [];

  set stuck(stuck: boolean) {
    this.#stuck = stuck;
    if (!stuck) for (const resolve of this.#waiters.splice(0)) resolve();
  }

  override async flush({ signal }: { signal: AbortSignal }): Promise<void> {
    if (!this.#stuck) return;
    await new Promise<void>((resolve, reject) => {
      this.#waiters.push(resolve);
      signal.addEventListener('abort', () => reject(signal.reason), { once: true });
    });
  }
}

describe('trouble', () => {
  it.each([
    ['a reset', (telegram: TelegramEmulator) => telegram.faults.dropSockets()],
    [
      'HTML of a sick front end',
      (telegram: TelegramEmulator) => endPoll(telegram, () => telegram.faults.html({ times: 1 })),
    ],
    ['broken JSON', (telegram: TelegramEmulator) => endPoll(telegram, () => telegram.faults.brokenJson({ times: 1 }))],
    ['half an answer', (telegram: TelegramEmulator) => cutAnswer(telegram)],
    ['a restart of its server', (telegram: TelegramEmulator) => telegram.faults.restart({ forMs: 300 })],
    [
      'too many requests',
      (telegram: TelegramEmulator) => endPoll(telegram, () => telegram.faults.tooMany({ times: 1 })),
    ],
  ])('is over soon, and nothing is lost: %s (F01)', async (_name, strike) => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    await strike(telegram);
    bot.say(5, 'afterwards');
    await held.until('the loss to be noticed', () => reasons(held).length >= 1);
    await held.until('the message', () => held.sink.texts().includes('afterwards'));
    await held.live(2);
    await held.until('a confirmation', () => bot.pending().length === 0);
    expect(new Set(held.sink.of('message').map(({ eventId }) => eventId)).size).toBe(held.sink.texts().length);
  });

  /** The order strikes the poll after the one that waits now. */
  function endPoll(telegram: TelegramEmulator, order: () => unknown): void {
    order();
    telegram.bot().say(5, 'a push');
  }

  /** The answer to the poll after that breaks off in the middle. */
  async function cutAnswer(telegram: TelegramEmulator): Promise<void> {
    const order = telegram.faults.cut({ times: 1 });
    telegram.bot().say(5, 'a push');
    await waitUntil('the next poll', () => order.hits === 1 && telegram.bot().isPolling);
  }

  it('waits as long as a 429 says', async () => {
    const { telegram, hold } = await platform();
    telegram.faults.tooMany({ method: 'getUpdates', times: 1, retryAfterS: 7 });
    const held = hold();
    await held.live();
    expect(held.causes[1]).toMatchObject({ minDelayMs: 7_000, reason: expect.stringContaining('429') });
  });

  it('dials anew after a failure: no call goes through a socket of before', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    const sockets = new Set(telegram.journal.of('call').map(({ socket }) => socket));
    const since = telegram.journal.mark();
    telegram.faults.halfOpen();
    telegram.faults.dropSockets();
    await held.live(2);
    for (const { socket } of telegram.journal.of('call', undefined, since)) expect(sockets).not.toContain(socket);
  });

  it('of a platform that is away ends with it, however often it was tried (F02)', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    await telegram.stop();
    await held.until('many attempts', () => held.causes.length > 50);
    expect(reasons(held).at(-1)).toMatch(/connection refused|ECONNREFUSED/);
    bot.say(5, 'said in the outage');
    await telegram.start();
    await received(held, ['said in the outage']);
  });

  it('polls anew at once when time went by unseen, and counts no failure (F24)', async () => {
    const { telegram, bot, hold, polls } = await platform();
    let aheadMs = 0;
    const clock = { now: () => Date.now() + aheadMs, monotonic: () => performance.now() };
    const held = hold({ clock });
    await parked({ bot, held });
    const [{ socket: before } = { socket: -1 }] = polls().slice(-1);
    // The socket is dead, as after a sleep; nobody will ever say so.
    telegram.faults.halfOpen();
    aheadMs = 3_600_000;
    await held.live(2);
    expect(held.causes).toHaveLength(1);
    expect(reasons(held)).toEqual([expect.stringMatching(/^36\d\d s went by unseen \(sleep/)]);
    expect(polls().at(-1)?.socket).not.toBe(before);
    bot.say(5, 'good morning');
    await received(held, ['good morning']);
  });

  it('with the token parks it: 401 twice, not once', async () => {
    const { telegram, bot, hold } = await platform();
    const once = telegram.faults.refuse({ code: 401, description: 'Unauthorized' }, { times: 1 });
    const held = hold();
    await held.live();
    expect(once.hits).toBe(1);
    telegram.faults.revokeToken();
    const error = await failureOf(held);
    expect(error).toBeInstanceOf(FatalError);
    expect(error).toMatchObject({ code: 'CREDENTIAL_REFUSED', message: expect.stringContaining('401') });
    telegram.faults.restoreToken();
    bot.say(5, 'back');
    const next = hold({ cursor: held.sink.storedCursor });
    await received(next, ['back']);
  });

  it('with a server that serves other bots only is for a person', async () => {
    const { telegram, hold } = await platform();
    telegram.faults.refuse({ code: 421, description: 'Misdirected Request: unallowed token specified' });
    expect(await failureOf(hold())).toMatchObject({
      code: 'PLATFORM_REFUSED',
      message: expect.stringContaining('421'),
    });
  });
});

describe('a rival with the same token', () => {
  it('is named at the first conflict, polled against ever more slowly, and forgotten when it leaves (F21)', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold({ options: { conflictRetryMs: 1_000 }, delayScale: 0.3 });
    await parked({ bot, held });
    const stop = new AbortController();
    const other = rival(telegram, stop.signal);
    await held.until('a first conflict', () => reasons(held).length >= 1);
    expect(reasons(held)[0]).toMatch(/^conflict: another getUpdates poller \(rival\) uses this token \(409\)/);
    await held.until('a rival', () => reasons(held).some((reason) => reason.includes('again and again')));
    const found = held.causes.find((cause) => cause?.reason.includes('again and again'));
    expect(found?.minDelayMs).toBeGreaterThanOrEqual(1_000);
    const at = held.health.length;
    await held.until('two more conflicts', () => reasons(held).length >= 6, 20_000);
    // While it is there, nothing that lasts a moment is taken for proof.
    expect(held.health.slice(at).filter(({ what }) => what === 'live')).toEqual([]);
    stop.abort();
    await other;
    await held.until('to be live again', () => held.health.at(-1)?.what === 'live', 30_000);
    bot.say(5, 'alone again');
    await held.until('the message', () => held.sink.texts().includes('alone again'));
  }, 60_000);

  it('of our own past is none: the call we left behind gets the conflict, not us', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    // Frozen, so that the platform does not see it go.
    telegram.faults.halfOpen();
    held.abort(new FencedError('a newer holder'));
    await held.done;
    const next = hold({ cursor: held.sink.storedCursor });
    await parked({ bot, held: next });
    bot.say(5, 'to the new one');
    await received(next, ['to the new one']);
    expect(reasons(next)).toEqual([]);
  });
});

describe('a webhook', () => {
  const set = (telegram: TelegramEmulator, url: string) =>
    fetch(`${telegram.url}/bot${telegram.token}/setWebhook`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ url }),
    });

  it('that is set is named by its host, waited for, and left alone', async () => {
    const { telegram, bot, hold } = await platform();
    await set(telegram, 'https://elsewhere.example/hook/with-a-secret');
    const held = hold();
    await held.until('it to be named', () => held.causes.length >= 3);
    expect(reasons(held)[0]).toBe(
      'conflict: a webhook is set (elsewhere.example); remove the webhook or set deleteWebhook: true',
    );
    expect(held.causes[1]?.minDelayMs).toBeGreaterThanOrEqual(30_000);
    expect(held.lines.join('')).not.toContain('with-a-secret');
    expect(telegram.journal.calls('getUpdates')).toHaveLength(0);
    bot.say(5, 'waiting');
    await fetch(`${telegram.url}/bot${telegram.token}/deleteWebhook`);
    await received(held, ['waiting']);
  });

  it('that is set while we poll is named, too', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    await set(telegram, 'https://elsewhere.example/hook');
    await held.until('it to be named', () => reasons(held).length >= 2);
    expect(reasons(held)[0]).toMatch(/^conflict: getUpdates: Conflict: terminated by setWebhook request \(409\)/);
    expect(reasons(held)[1]).toMatch(/a webhook is set \(elsewhere\.example\)/);
  });

  it('is removed where the configuration says so, with all that waits', async () => {
    const { telegram, bot, hold } = await platform();
    await set(telegram, 'https://elsewhere.example/hook');
    bot.say(5, 'waiting');
    const held = hold({ options: { deleteWebhook: true } });
    await received(held, ['waiting']);
    expect(telegram.journal.calls('deleteWebhook')[0]?.args).toMatchObject({ drop_pending_updates: 'false' });
  });
});

describe('a handover', () => {
  it('drains at once, confirms nothing that is not stored, and the next holder goes on from there', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold();
    await parked({ bot, held });
    bot.say(5, 'one');
    await received(held, ['one']);
    await parked({ bot, held });
    const since = telegram.journal.mark();
    held.drain();
    expect(await held.done).toBe('drained');
    expect(telegram.journal.calls('getUpdates', since)).toHaveLength(0);
    bot.say(5, 'two');
    const next = hold({ cursor: held.sink.storedCursor });
    await received(next, ['two']);
    expect(next.health).toContainEqual({ what: 'live', how: 'resumed' });
    expect(next.sink.of('resumed')).toHaveLength(1);
  });

  it('brings again what a dead holder had received and not stored, under the same ids', async () => {
    const { bot, hold } = await platform();
    const sink = new LosingSink(null);
    const held = hold({ sink });
    await parked({ bot, held });
    sink.losing = true;
    bot.say(5, 'received, then killed');
    await held.until('the batch', () => sink.texts().length === 1);
    const ids = sink.of('message').map(({ eventId }) => eventId);
    held.abort(new Error('kill -9'));
    await held.done;
    const next = hold({ cursor: sink.storedCursor });
    await received(next, ['received, then killed']);
    expect(next.sink.of('message').map(({ eventId }) => eventId)).toEqual(ids);
  });

  it('ends without another call when the lease is lost', async () => {
    const { telegram, bot, hold } = await platform();
    let isHeld = true;
    const held = hold({
      assertHeld: () => {
        if (!isHeld) throw new FencedError('gone');
      },
    });
    await parked({ bot, held });
    isHeld = false;
    const since = telegram.journal.mark();
    bot.say(5, 'hello');
    expect(await failureOf(held)).toBeInstanceOf(FencedError);
    expect(telegram.journal.of('call', undefined, since)).toHaveLength(0);
    expect(bot.pending()).toHaveLength(1);
  });
});

class LosingSink extends StuckSink {
  losing = false;

  override push(events: Parameters<MemorySink['push']>[0], cursor: Cursor | null): void {
    if (!this.losing) {
      super.push(events, cursor);
      return;
    }
    this.stuck = true;
    this.pushes.push({ events, cursor });
  }
}

describe('the token', () => {
  it('appears in no log line, record, cursor or reason, whatever goes wrong', async () => {
    const { telegram, bot, hold } = await platform();
    const held = hold({ dialTimeoutMs: 200 });
    await parked({ bot, held });
    telegram.faults.dropSockets();
    await held.live(2);
    await telegram.stop();
    await held.until('refusals', () => held.causes.length > 4);
    await telegram.start();
    telegram.faults.html({ times: 1 });
    await waitUntil('life', () => held.health.at(-1)?.what === 'live', { timeoutMs: 10_000 });
    telegram.faults.revokeToken();
    const error = await failureOf(held);
    const said = JSON.stringify([held.lines, held.health, held.causes, held.sink.pushes, held.sink.storedCursor]);
    const secret = telegram.token.slice(telegram.token.indexOf(':') + 1);
    for (const text of [said, (error as Error).stack ?? '', JSON.stringify(error)]) expect(text).not.toContain(secret);
  });
});
