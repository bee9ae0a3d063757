/**
 * A small installation with something to see, on two hosts: a bot of QQ and one of Telegram that are live, one behind a
 * proxy that is away, one with a wrong secret. Everything is real but the platforms, and the past: see past.ts.
 */
import { startQq } from '../../test/emulators/qq/index.ts';
import { startTelegram } from '../../test/emulators/telegram/index.ts';
import { install, qqConnection, telegramConnection } from '../../test/support/installation.ts';
import { writePast } from './past.ts';

const OTHER_BOTS = [
  { appId: '102000002', clientSecret: 'the-secret-of-the-office-bot' },
  { appId: '102000003', clientSecret: 'the-secret-of-the-test-bot' },
] as const;
/** Of the installation. */
export const ADMIN_TOKEN = 'the-token-of-the-pictures';
const TALK_EVERY_MS = 4_000;

/** A process on a host of that name, as far as it can tell. Needs root. */
function on(host: string): readonly string[] {
  return ['unshare', '--uts', 'sh', '-c', `hostname ${host} && exec "$@"`, 'sh'];
}

/** @param show - gets the address of the installation, which is gone when it is done */
export async function withScene(show: (url: string) => Promise<void>): Promise<void> {
  await using qq = await startQq({ bots: OTHER_BOTS, identifyLimit: { maxConcurrency: 10 } });
  await using telegram = await startTelegram();
  const [office, trial] = OTHER_BOTS;
  await using installation = await install({
    timings: {},
    http: { port: 0, adminToken: ADMIN_TOKEN },
    connections: [
      qqConnection(qq, 'qq-main'),
      qqConnection(qq, 'qq-office', qq.bot(office.appId), { proxy: 'http://127.0.0.1:7890' }),
      qqConnection(qq, 'qq-test', qq.bot(trial.appId), { clientSecret: 'the-secret-of-another-bot' }),
      telegramConnection(telegram),
    ],
  });
  const first = await installation.startVia(on('nas-1'), 'up').ready();
  await installation.startVia(on('nas-2'), 'worker', '--roles', 'connections,agent,delivery').ready();
  const { url } = await first.waitForLine(({ event }) => event === 'web');
  const alice = qq.user('ALICE');
  const kira = telegram.bot().user(1_001, { firstName: 'kira' });
  const talk = setInterval(() => {
    alice.say('Is the gate of the garden open?');
    kira.say('When does the choir meet?');
  }, TALK_EVERY_MS);
  try {
    await installation.live('qq-main');
    await installation.live('tg-main');
    const { client, keys } = await installation.reader();
    await writePast(client, keys);
    await show(String(url));
  } finally {
    clearInterval(talk);
  }
}
