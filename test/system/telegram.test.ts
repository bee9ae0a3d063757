/** Whole installations with a Telegram bot: killed, frozen, rivalled and refused, while people go on talking. */
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connectionId } from '../../src/model.ts';
import { startTelegram, type TelegramEmulator } from '../emulators/telegram/index.ts';
import { NOTHING_WRONG } from '../support/conversations.ts';
import { type Installation, install, SCALED_TIMINGS, telegramConnection } from '../support/installation.ts';
import { type ServedProcess, signalProcess } from '../support/served-process.ts';
import { TelegramConversations } from '../support/telegram-conversations.ts';
import { waitUntil } from '../support/wait-until.ts';

const POLL_MS = 2_000;
const PROBE_EVERY_MS = 1_000;

describe('a Telegram bot', { timeout: 90_000 }, () => {
  let telegram: TelegramEmulator;
  let installation: Installation;
  let up: ServedProcess;
  let firstUser = 1_000;

  beforeAll(async () => {
    telegram = await startTelegram({ conflictHoldMs: 300 });
    installation = await install({
      connections: [telegramConnection(telegram, { pollMs: POLL_MS, conflictRetryMs: 500, sendTimeoutMs: 1_000 })],
      timings: { ...SCALED_TIMINGS, probeEveryMs: PROBE_EVERY_MS },
      // Longer than typing waits.
      agent: { kind: 'echo', delayMs: 400 },
      alerts: { downAfterMs: 2_000 },
    });
    up = await installation.up();
    await live();
  }, 60_000);

  afterEach(async () => {
    await telegram.faults.clear();
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await telegram?.close();
  });

  const live = () => installation.live('tg-main', 30_000);
  const status = () => installation.connection('tg-main');
  const waitFor = (what: string, fits: Parameters<Installation['waitFor']>[1]) =>
    installation.waitFor(what, fits, { id: 'tg-main', timeoutMs: 40_000 });
  const ownerPid = async () => Number(/\/(\d+)$/.exec((await live()).owner ?? '')?.[1]);

  function talk(): TelegramConversations {
    firstUser += 100;
    return new TelegramConversations(telegram.bot(), { firstUser }).start();
  }

  async function expectNothingWrong(people: TelegramConversations): Promise<void> {
    const account = await people.account(30_000);
    expect(account.sent).toBeGreaterThan(0);
    expect(account).toEqual({ sent: account.sent, ...NOTHING_WRONG });
  }

  it('answers, and is live by its polls although nobody says a word (F07, F23)', async () => {
    const people = talk();
    await delay(1_000);
    await expectNothingWrong(people);
    expect(telegram.journal.of('chat-action').map(({ action }) => action)).toContain('typing');
    const before = await live();
    await delay(3 * POLL_MS);
    const after = await status();
    expect(after).toMatchObject({ state: 'live', fencingToken: before.fencingToken, route: 'direct' });
    expect(after.lastRoundTripAgeMs).toBeLessThanOrEqual(POLL_MS + 2_000);
  });

  it('loses and doubles nothing when its holder is killed, again and again, in the middle of polls (F10, F16, F25)', async () => {
    const people = talk();
    const before = await live();
    for (let kills = 1; kills <= 2; kills += 1) {
      signalProcess(await ownerPid(), 'SIGKILL');
      telegram.bot().say(9_000 + kills, 'said to nobody');
      await waitFor('to be held anew', ({ state, counters }) => {
        return state === 'live' && counters.takeovers >= before.counters.takeovers + kills;
      });
    }
    await expectNothingWrong(people);
    const after = await live();
    expect(after.fencingToken).toBeGreaterThan(before.fencingToken ?? 0);
    expect(after.counters.resumed).toBeGreaterThanOrEqual(before.counters.resumed + 2);
    expect(after.counters.gaps).toBe(before.counters.gaps);
    await waitUntil('those answers, too', () => [1, 2].every((n) => telegram.bot().delivered(9_000 + n).length === 1));
  });

  it('goes on after its holder was frozen for longer than its lease (F22, F24)', async () => {
    const people = talk();
    const before = await live();
    const pid = await ownerPid();
    signalProcess(pid, 'SIGSTOP');
    await delay(SCALED_TIMINGS.leaseMs + 1_500);
    signalProcess(pid, 'SIGCONT');
    await waitFor('to be held anew', ({ state, fencingToken }) => {
      return state === 'live' && (fencingToken ?? 0) > (before.fencingToken ?? 0);
    });
    await expectNothingWrong(people);
  });

  it('names a rival while there is one and tells somebody, polls seldom, and is back when it leaves (F21)', async () => {
    const stop = new AbortController();
    const rival = pollForEver(telegram, stop.signal);
    const named = await waitFor('to name the rival', ({ reason }) => reason?.includes('again and again') ?? false);
    expect(named.state).not.toBe('live');
    expect(named.reason).toMatch(/^conflict: another getUpdates poller \(rival\) uses this token \(409\)/);
    expect(named.nextAttemptAt).not.toBeNull();
    expect((await installation.run(['status'])).code).toBe(1);
    const told = (kind: string) =>
      up.waitForLine((line) => line.event === 'alert' && line.rule === 'rival' && line.kind === kind, 20_000);
    expect(await told('firing')).toMatchObject({
      level: 'error',
      msg: 'ALERT: tg-main: another program uses the same bot',
    });
    const since = telegram.journal.mark();
    await delay(2_000);
    // At most one try in each half a second, and the one that the rival ends.
    expect(telegram.journal.calls('getUpdates', since).filter(({ args }) => args.timeout !== '50').length).toBeLessThan(
      10,
    );
    stop.abort();
    await rival;
    await live();
    await told('recovered');
    const people = talk();
    await delay(500);
    await expectNothingWrong(people);
  });

  it('is parked when its token is refused, and live again when the token works (F35)', async () => {
    telegram.faults.revokeToken();
    const parked = await waitFor('to be parked', ({ state }) => state === 'parked');
    expect(parked.reason).toMatch(/the platform refuses the token .*Unauthorized \(401\)/);
    const people = talk();
    telegram.faults.restoreToken();
    await live();
    await expectNothingWrong(people);
    // The next sweep forgets that it was parked; whatever happens before that would still be shown as the old trouble.
    const { client, keys } = await installation.reader();
    const isParked = () => client.exists(keys.connection(connectionId('tg-main')).parked);
    await waitUntil('the sweep', async () => (await isParked()) === 0);
  });

  it('names a webhook that somebody sets, and goes on when it is gone', async () => {
    const call = (method: string) => fetch(`${telegram.url}/bot${telegram.token}/${method}`);
    await call('setWebhook?url=https://elsewhere.example/hook');
    const named = await waitFor('to name the webhook', ({ reason }) => reason?.includes('elsewhere.example') ?? false);
    expect(named.reason).toMatch(
      /^conflict: a webhook is set \(elsewhere\.example\); remove the webhook or set deleteWebhook/,
    );
    const people = talk();
    await call('deleteWebhook');
    await live();
    await expectNothingWrong(people);
  });

  it('keeps a send of unknown outcome for a person, with its text, and the conversation goes on', async () => {
    const lost = telegram.faults.sendLost({ times: 1, chatId: 8_001 });
    telegram.bot().say(8_001, 'first');
    telegram.bot().say(8_001, 'second');
    await waitUntil('both to be seen', () => telegram.bot().delivered(8_001).length === 2);
    expect(lost.hits).toBe(1);
    const { code, stdout } = await installation.run(['messages', 'dead', '--json']);
    expect(code).toBe(0);
    expect(JSON.stringify(JSON.parse(stdout))).toMatch(
      /"outcome":"unknown".*echo: first|echo: first.*"outcome":"unknown"/,
    );
    expect(
      telegram
        .bot()
        .delivered(8_001)
        .map(({ text }) => text),
    ).toEqual(['echo: first', 'echo: second']);
  });

  it('stops within a second or two, and the next start goes on where it was (F34)', async () => {
    const people = talk();
    await delay(300);
    expect(await up.stop()).toMatchObject({ code: 0 });
    telegram.bot().say(8_100, 'while nobody was there');
    up = await installation.up();
    await live();
    await expectNothingWrong(people);
    await waitUntil('that answer, too', () => telegram.bot().delivered(8_100).length === 1);
  });

  it('leaves its token in no log, no status and no file of its own', async () => {
    const secret = telegram.token.slice(telegram.token.indexOf(':') + 1);
    expect(installation.output()).not.toContain(secret);
    const commands = [
      ['status', '--json'],
      ['messages', 'dead', '--json'],
      ['connections', 'show', 'tg-main'],
    ];
    for (const command of commands) {
      const { stdout, stderr } = await installation.run(command);
      expect(stdout + stderr).not.toContain(secret);
    }
    // The append-only file of the embedded Redis has all that was ever written.
    const files = (await readdir(join(installation.dir, '.holdfast'), { recursive: true, withFileTypes: true })).filter(
      (entry) => entry.isFile(),
    );
    expect(files.some(({ name }) => name.includes('aof'))).toBe(true);
    for (const { parentPath, name } of files) {
      expect((await readFile(join(parentPath, name))).includes(secret), name).toBe(false);
    }
  });
});

/** Another program with the same token, which never gives up. */
async function pollForEver(telegram: TelegramEmulator, signal: AbortSignal): Promise<void> {
  const url = `${telegram.url}/bot${telegram.token}/getUpdates?timeout=50`;
  while (!signal.aborted) {
    await fetch(url, { signal }).catch(() => undefined);
    await delay(100, undefined, { signal }).catch(() => undefined);
  }
}
