/** Alerts of a whole installation: somebody is told, once, whatever dies meanwhile. */
import { describe, expect, it } from 'vitest';
import { startQq } from '../emulators/qq/index.ts';
import { startTelegram } from '../emulators/telegram/index.ts';
import { type AlertReceiver, startAlertReceiver } from '../support/alert-receiver.ts';
import { install, qqConnection, telegramConnection } from '../support/installation.ts';
import { waitUntil } from '../support/wait-until.ts';

/** Longer than a start takes beside other tests. */
const DOWN_AFTER_MS = 10_000;

/** Without copies: who is killed just after a delivery, before it is noted, makes one, and its id tells. */
function heard({ accepted }: AlertReceiver) {
  return [...new Map(accepted.map(({ notification }) => [notification.id, notification])).values()];
}

function told(receiver: AlertReceiver): string[] {
  return heard(receiver).map(({ kind, rule, subjects }) => [kind, rule, ...subjects.map(({ name }) => name)].join(' '));
}

describe('holdfast up with sinks for alerts', () => {
  it('an outage of the platform is one alert and one all-clear, though the process was killed in between (F32)', async () => {
    await using receiver = await startAlertReceiver();
    await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
    const sink = { kind: 'webhook', url: receiver.url, secret: receiver.secret };
    await using installation = await install({
      connections: [qqConnection(qq)],
      alerts: { downAfterMs: DOWN_AFTER_MS, sinks: [sink] },
    });
    const up = await installation.up();
    await installation.live();

    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    const said = qq.user('PATIENT').say('anybody there?');
    const explain = () => `${told(receiver).join('\n')}\n${installation.tails()}`;
    await waitUntil('the alert', () => heard(receiver).length === 1, { timeoutMs: 40_000, explain });
    expect(told(receiver)).toEqual(['firing down qq-main']);
    expect(heard(receiver)[0]?.subjects[0]?.reason).toMatch(/refused|ECONNREFUSED/);
    expect(up.lines.filter(({ event, kind }) => event === 'alert' && kind === 'firing')).toHaveLength(1);

    up.kill('SIGKILL');
    await waitUntil('its end', () => up.exit != null);
    const next = await installation.up();
    await qq.faults.acceptDials();
    await installation.live();
    await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length === 1);
    // Up to a lease of alerts until somebody judges again.
    await waitUntil('the all-clear', () => heard(receiver).length === 2, { timeoutMs: 40_000, explain });
    expect(told(receiver)).toEqual(['firing down qq-main', 'recovered down qq-main']);
    const subject = heard(receiver)[1]?.subjects[0];
    expect(subject?.forMs).toBeGreaterThan(DOWN_AFTER_MS);
    expect(subject?.stored).toEqual({ events: 1, gaps: 0 });
    expect(receiver.forged).toBe(0);
    expect(await next.stop()).toMatchObject({ code: 0 });
    expect(heard(receiver)).toHaveLength(2);
    expect(installation.output()).not.toContain(receiver.secret);
  });

  it('a chat of another connection hears of an outage and of its end', async () => {
    await using qq = await startQq({ heartbeatIntervalMs: 1_000 });
    const telegram = await startTelegram({});
    try {
      await using installation = await install({
        connections: [qqConnection(qq), telegramConnection(telegram, { pollMs: 2_000 })],
        alerts: {
          downAfterMs: DOWN_AFTER_MS,
          sinks: [{ kind: 'chat', connection: 'tg-main', conversation: 'chat:777' }],
        },
      });
      await installation.up();
      await installation.live();
      await installation.live('tg-main');
      telegram.bot().say(777, 'I am the operator');
      const titles = () =>
        telegram.journal
          .delivered({ chatId: 777 })
          .map(({ text }) => text.split('\n')[0] ?? '')
          .filter((title) => /^(ALERT|STILL|OK): /.test(title));
      const explain = () => `${titles().join('\n')}\n${installation.tails()}`;

      await qq.faults.refuseDials();
      qq.faults.dropSockets({ how: 'rst' });
      await waitUntil('the alert', () => titles().length === 1, { timeoutMs: 40_000, explain });
      await qq.faults.acceptDials();
      await installation.live();
      await waitUntil('the all-clear', () => titles().length === 2, { timeoutMs: 40_000, explain });
      expect(titles()).toEqual([
        'ALERT: qq-main is down',
        expect.stringMatching(/^OK: qq-main is no longer down \(after \d+ s\)$/),
      ]);
    } finally {
      await telegram.close();
    }
  });
});
