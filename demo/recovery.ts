/**
 * Measures how long a bot was away, on its platform's side: from the fault (or its end) to READY or RESUMED, and to a
 * poll that is answered.
 */
import { PLATFORMS, type PlatformName, TITLES } from './crowd.ts';
import { seconds } from './narrator.ts';
import type { Stage } from './stage.ts';
import { waitFor } from './wait.ts';

/** No act may take longer to heal, ms: several times the worst that the scaled timings allow. */
const RECOVERY_MS = 45_000;

/** The moment of a fault: where journals and crowds were. */
export interface FaultMark {
  readonly at: number;
  readonly entry: Readonly<Record<PlatformName, number>>;
  readonly message: Readonly<Record<PlatformName, number>>;
}

export interface Recovery {
  readonly act: string;
  readonly platform: PlatformName;
  /** From the fault, or its end where it has one, to READY, RESUMED or an answered poll. */
  readonly ms: number;
  /** To the first answer that users saw to a message said after the fault began. */
  readonly answeredMs: number;
  readonly how: 'resumed' | 'identified' | 'polled';
}

type Played = Pick<Stage, 'qq' | 'telegram' | 'traffic' | 'signal'>;

export interface Healing {
  /** Which bots were hit. @defaultValue both */
  readonly platforms?: readonly PlatformName[];
  /** Instant the time is counted from. @defaultValue the fault's */
  readonly from?: number;
}

export function markFault({ qq, telegram, traffic }: Pick<Stage, 'qq' | 'telegram' | 'traffic'>): FaultMark {
  return {
    at: Date.now(),
    entry: { qq: qq.journal.mark(), telegram: telegram.journal.mark() },
    message: { qq: traffic.qq.said.length, telegram: traffic.telegram.said.length },
  };
}

/**
 * Waits until the bots are at their platforms again and answer.
 *
 * @throws Error when that takes longer than {@link RECOVERY_MS}
 */
export function recovered(
  stage: Played,
  act: string,
  fault: FaultMark,
  { platforms = PLATFORMS, from = fault.at }: Healing = {},
): Promise<Recovery[]> {
  return Promise.all(platforms.map((platform) => healed(stage, act, fault, platform, from)));
}

async function healed(
  stage: Played,
  act: string,
  fault: FaultMark,
  platform: PlatformName,
  from: number,
): Promise<Recovery> {
  const back = await waitFor(`${TITLES[platform]}: the bot`, RECOVERY_MS, stage.signal, () => {
    return platform === 'qq' ? sessionSince(stage, fault.entry.qq) : pollSince(stage, fault.entry.telegram);
  });
  const answer = await firstAnswer(stage, platform, back.n, fault.message[platform]);
  const since = (at: number) => Math.max(0, at - from);
  return { act, platform, ms: since(back.at), answeredMs: since(answer.at), how: back.how };
}

/**
 * Waits for an answer that users see.
 *
 * @param after - entry of the platform's journal
 * @param place - to a message of the crowd said from there on
 */
export async function firstAnswer(
  { traffic, signal }: Pick<Stage, 'traffic' | 'signal'>,
  platform: PlatformName,
  after: number,
  place: number,
): Promise<{ readonly at: number }> {
  return waitFor(`${TITLES[platform]}: an answer`, RECOVERY_MS, signal, () => {
    return traffic[platform].answerAfter(after, place);
  });
}

interface Back {
  readonly n: number;
  readonly at: number;
  readonly how: Recovery['how'];
}

function sessionSince({ qq }: Played, entry: number): Back | undefined {
  const resumed = qq.journal.of('resumed', undefined, entry)[0];
  const identified = qq.journal.of('identify', ({ outcome }) => outcome === 'accepted', entry)[0];
  const isResumed = resumed !== undefined && (identified === undefined || resumed.n < identified.n);
  const first = isResumed ? resumed : identified;
  return first === undefined ? undefined : { n: first.n, at: first.at, how: isResumed ? 'resumed' : 'identified' };
}

/** A poll that was asked after the fault, too: the one before may be answered just so. */
function pollSince({ telegram: { journal } }: Played, entry: number): Back | undefined {
  const asked = new Set(journal.calls('getUpdates', entry).map(({ call }) => call));
  const answers = journal.answers('getUpdates', entry);
  const first = answers.find(({ call, status, isHeard }) => isHeard && status === 200 && asked.has(call));
  return first === undefined ? undefined : { n: first.n, at: first.at, how: 'polled' };
}

/** One line per act, one part per platform. */
export function inWords(recoveries: readonly Recovery[]): string {
  const parts = recoveries.map(({ platform, how, ms, answeredMs }) => {
    return `${TITLES[platform]} ${how === 'polled' ? 'polls again' : how} after ${seconds(ms)}, first answer after ${seconds(answeredMs)}`;
  });
  return `${recoveries[0]?.act ?? 'nobody was hit'}: ${parts.join('; ')}`;
}
