/**
 * What the founding incident began with: a proxy that gives up whatever has been idle. Nobody says anything, so the
 * tunnels of both bots are idle and are cut, again and again; each time the bots are back before anybody has noticed, and
 * QQ's pings become more frequent than the proxy is impatient.
 */
import { sleep } from '../../src/async/abort.ts';
import { type PlatformName, TITLES } from '../crowd.ts';
import { seconds } from '../narrator.ts';
import { type FaultMark, firstAnswer, markFault, type Recovery } from '../recovery.ts';
import { CONNECTIONS, PROXY_IDLE_MS } from '../settings.ts';
import type { Act, Stage } from '../stage.ts';
import { waitFor } from '../wait.ts';

/** As many as it takes for Holdfast to see a pattern. */
const CUTS = 3;
const CUTS_MS = 30_000;
/** For status to tell what was learnt, ms. No fault when it does not: on a busy machine no two cuts may be of one age. */
const REMARK_MS = 4_000;
/** People talk for so long before they fall silent, ms. */
const TALK_MS = 2_000;

const name = 'idle cuts';

export const quietMoment: Act = {
  name,
  title: `A quiet moment. From now on the proxy cuts tunnels in which nothing has moved for ${PROXY_IDLE_MS / 1_000} s.`,
  async play(stage) {
    const { traffic, proxy, signal } = stage;
    stage.now('people talk');
    proxy.cutAfter(PROXY_IDLE_MS);
    await sleep(TALK_MS, { signal });
    const from = Date.now();
    const absences = () => ({ qq: qqAbsences(stage, from), telegram: telegramAbsences(stage, from) });
    let remark: string[];
    let again: FaultMark;
    traffic.stop();
    try {
      stage.now('waiting for idle cuts');
      await waitFor(`${CUTS} idle cuts of both, and ways back`, CUTS_MS, signal, () => {
        return Object.values(absences()).every(({ length }) => length >= CUTS);
      });
      stage.now('asking status what was learnt');
      remark = await learnt(stage);
      again = markFault(stage);
    } finally {
      traffic.start();
    }
    stage.now('people talk again');
    const seen = absences();
    const healed = async (platform: PlatformName, how: Recovery['how']): Promise<Recovery> => {
      const { at } = await firstAnswer(stage, platform, again.entry[platform], again.message[platform]);
      return { act: name, platform, ms: Math.max(...seen[platform]), answeredMs: at - again.at, how };
    };
    const recoveries = await Promise.all([healed('qq', 'resumed'), healed('telegram', 'polled')]);
    const parts = recoveries.map(({ platform, ms }) => {
      const times = `${platform === 'qq' ? 'resumed' : 'polled again'} ${seen[platform].length} times`;
      return `${TITLES[platform]} ${times}, away for ${seconds(ms)} at most`;
    });
    const cuts = proxy.cuts.filter(({ at }) => at >= from && at < again.at).length;
    return { recoveries, telling: [`${cuts} tunnels were cut: ${parts.join('; ')}`, ...remark] };
  },
};

/** From the loss of each socket to the Resume that followed, ms. */
function qqAbsences({ qq: { journal } }: Stage, from: number): number[] {
  const closes = journal.of('close');
  return journal
    .of('resumed', ({ at }) => at >= from)
    .flatMap(({ n, at }) => {
      const lost = closes.findLast((close) => close.n < n && close.at >= from);
      return lost === undefined ? [] : [at - lost.at];
    });
}

/** From each cut to the poll that followed it, ms. The first poll after a loss names no offset. */
function telegramAbsences({ telegram, proxy }: Stage, from: number): number[] {
  const port = Number(new URL(telegram.url).port);
  const cuts = proxy.cuts.filter((cut) => cut.port === port && cut.at >= from);
  return telegram.journal.calls('getUpdates').flatMap(({ args, at }) => {
    const lost = args.offset === undefined ? cuts.findLast((cut) => cut.at <= at) : undefined;
    return lost === undefined ? [] : [at - lost.at];
  });
}

/** What status says of QQ's connection since, in words. */
async function learnt({ world, signal }: Stage): Promise<string[]> {
  const look = async () => (await world.connection('qq')).remark ?? undefined;
  const remark = await waitFor('a remark', REMARK_MS, signal, look).catch(() => {
    signal.throwIfAborted();
    return null;
  });
  return remark === null ? [] : [`status of ${CONNECTIONS.qq}: ${remark}`];
}
