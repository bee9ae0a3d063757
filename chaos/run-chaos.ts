/** One run from its first process to its last: start, talk, break things by lot, wait for the last answers, count. */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Narrator } from '../demo/narrator.ts';
import { waitFor } from '../demo/wait.ts';
import { childController, sleep } from '../src/async/abort.ts';
import { explain } from '../src/errors.ts';
import { Crowd } from './crowd.ts';
import { Deck } from './deck.ts';
import type { Fault } from './faults/fault.ts';
import { machine } from './machine.ts';
import { Random } from './random.ts';
import { type ChaosResult, resultOf } from './result.ts';
import { CONNECTIONS } from './settings.ts';
import { settle } from './settle.ts';
import { Site } from './site.ts';
import { Tallies } from './tallies.ts';

export interface ChaosOptions {
  readonly seed: number;
  /** How long things are broken; starting and the last answers come on top. */
  readonly seconds: number;
  /** End earlier, once so many processes were killed; `null`: by time alone. */
  readonly kills: number | null;
  /** On the short timings of the tests: quick to run, no numbers to publish. */
  readonly scaled: boolean;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
}

/** Between two faults of the connections: what was killed is starting again, and is a standby when the next one comes. ms */
const PAUSE_MS = [1_500, 3_000] as const;
/** Between two kills beside them, ms. */
const BESIDE_PAUSE_MS = [2_000, 6_000] as const;
/** Either, where no latency is to be published. */
const SCALED_PAUSE_MS = [200, 1_000] as const;
const FIRST_ANSWERS_MS = 60_000;
/** A line of progress, ms; on a terminal one moves in between. */
const TELL_EVERY_MS = 15_000;

/** @throws Error when the installation does not start; the signal's reason when that aborts */
export async function runChaos(options: ChaosOptions): Promise<ChaosResult> {
  const { seed, seconds, scaled, narrator, signal } = options;
  const random = new Random(seed);
  narrator.say(`Seed ${seed}. Starting Redis, the emulated platform and two of every role.`);
  await using site = await Site.start(scaled, signal);
  using crowd = new Crowd(site.qq, site.bots, new Random(seed + 1));
  const tallies = new Tallies();
  const lag = monitorEventLoopDelay({ resolution: 10 });

  crowd.greet();
  await waitFor('first answers', FIRST_ANSWERS_MS, signal, () => crowd.count().lost.length === 0);
  crowd.start();
  narrator.say(`${crowd.chats} chats of ${CONNECTIONS} bots talk. Breaking things for ${seconds} s.`);

  const startedAt = new Date();
  lag.enable();
  await breakThings(site, random, tallies, crowd, options);
  lag.disable();
  const tookMs = Date.now() - startedAt.getTime();

  await settle(site.qq, crowd, narrator, signal);
  const status = await site.status(signal);
  const result = resultOf({
    seed,
    scaled,
    startedAt,
    tookMs,
    timings: site.installation.config.timings,
    machine: await machine(site.redis),
    driverLagMs: { p99: lag.percentile(99) / 1e6, max: lag.max / 1e6 },
    qq: site.qq,
    bots: site.bots,
    tallies,
    tally: crowd.count(),
    status,
    suddenEnds: [...site.suddenEnds, ...site.childrenLost()],
  });
  narrator.say('Draining everything.');
  return result;
}

/** Two strands until the time is up: faults of the connections one by one, and kills of the other roles beside them. */
async function breakThings(
  site: Site,
  random: Random,
  tallies: Tallies,
  crowd: Crowd,
  { seed, seconds, kills, scaled, narrator, signal }: ChaosOptions,
): Promise<void> {
  const startedAt = performance.now();
  const isOver = () => performance.now() - startedAt > seconds * 1_000 || (kills !== null && tallies.killed >= kills);
  using both = childController(signal);
  const strand = async (deck: Deck, chance: Random, pauseMs: readonly [number, number]) => {
    const [least, most] = scaled ? SCALED_PAUSE_MS : pauseMs;
    while (!isOver()) {
      await strikeOnce(deck.draw(), site, chance, tallies, both.signal);
      await sleep(chance.between(least, most), { signal: both.signal });
    }
  };
  const beside = new Random(seed + 2);
  const progress = () => inWords(tallies, crowd, performance.now() - startedAt);
  narrator.spin(progress);
  const telling = setInterval(() => {
    narrator.say(progress());
    narrator.spin(progress);
  }, TELL_EVERY_MS);
  try {
    const strands = [strand(Deck.main(random), random, PAUSE_MS), strand(Deck.beside(beside), beside, BESIDE_PAUSE_MS)];
    await Promise.all(strands).catch(async (error: unknown) => {
      both.abort(error);
      await Promise.allSettled(strands);
      throw error;
    });
  } finally {
    clearInterval(telling);
  }
}

/** A fault that does not heal in time is a complaint, and the run goes on: later numbers may still be worth having. */
async function strikeOnce(
  fault: Fault,
  site: Site,
  random: Random,
  tallies: Tallies,
  signal: AbortSignal,
): Promise<void> {
  try {
    tallies.note(fault.cause, await fault.strike({ site, random, signal }));
  } catch (error) {
    signal.throwIfAborted();
    tallies.note(fault.cause, { ...NOTHING, complaints: [explain(error)] });
  }
  site.lookForLostChildren();
}

const NOTHING = { killed: 0, takeovers: [], staleWrites: { tried: 0, accepted: 0, counted: 0 } } as const;

function inWords(tallies: Tallies, crowd: Crowd, elapsedMs: number): string {
  const { sent, answered, doubled, outOfOrder } = crowd.count();
  const { faults, killed, takeovers, complaints } = tallies;
  return [
    `${Math.round(elapsedMs / 1_000)} s: ${faults} faults, ${killed} processes killed, ${takeovers.length} takeovers`,
    `sent ${sent}, on their way ${sent - answered}, doubled ${doubled.length}, out of order ${outOfOrder.length}`,
    ...(complaints.length === 0 ? [] : [`${complaints.length} complaints`]),
  ].join(' · ');
}
