/** The demonstration from its first process to its last: start, talk, break things, count, go on or leave. */
import { sleep } from '../src/async/abort.ts';
import { explain } from '../src/errors.ts';
import { blackHole } from './acts/black-hole.ts';
import { dropSockets } from './acts/drop-sockets.ts';
import { freezeOwner } from './acts/freeze-owner.ts';
import { halfOpen } from './acts/half-open.ts';
import { killOwner } from './acts/kill-owner.ts';
import { networkAway } from './acts/network-away.ts';
import type { Narrator } from './narrator.ts';
import type { Recovery } from './recovery.ts';
import type { Result } from './report.ts';
import { timingsInWords } from './settings.ts';
import type { Act, Stage } from './stage.ts';
import { isDamaged } from './tally.ts';
import { Traffic } from './traffic.ts';
import { waitFor } from './wait.ts';
import { type Sabotage, World } from './world.ts';

export interface DemoOptions {
  readonly sabotage: Sabotage | null;
  /** End after the acts; else go on talking until {@link DemoOptions.stop} aborts. */
  readonly once: boolean;
  readonly keepLogsIn: string | null;
  readonly narrator: Narrator;
  /** Called with the result of the acts, and once more after the talking that followed. */
  report(result: Result): void;
  /** Ends everything in good order. */
  readonly stop: AbortSignal;
  /** Ends waiting for good order. */
  readonly hurry: AbortSignal;
}

const EVERYTHING = [dropSockets(5), networkAway, blackHole, halfOpen, freezeOwner, killOwner];
/** With a safeguard off: the acts that it matters for, until the damage shows. A freeze may find nothing in flight. */
const SABOTAGED: Readonly<Record<Sabotage, readonly Act[]>> = {
  cursor: [killOwner],
  dedupe: [dropSockets(2)],
  fence: [freezeOwner, freezeOwner, freezeOwner, freezeOwner, freezeOwner],
};

/** All acts together, ms: what `--once` takes must stay below 3 minutes, also when something goes wrong. */
const ACTS_MS = 130_000;
const FIRST_ANSWERS_MS = 30_000;
/** What is unanswered after so long without any answer is lost, ms. */
const PATIENCE_MS = 15_000;
/** With a safeguard off loss is expected, and not waited for so long. */
const SABOTAGED_PATIENCE_MS = 7_000;
/** After the last answer: time for a second one that nobody wants, ms. */
const AFTERMATH_MS = 1_500;
/** A line of the endless part, where there is no terminal, ms. */
const LINE_EVERY_MS = 10_000;

/**
 * @returns the result, counted after everything has ended
 * @throws Error when the processes don't start or one of them dies; `stop`'s reason when that aborts before the table
 */
export async function runDemo(options: DemoOptions): Promise<Result> {
  const { narrator, sabotage, once, stop } = options;
  narrator.say(`Starting the emulated platform, Redis, a scheduler and two workers. ${timingsInWords()}`);
  if (sabotage !== null) narrator.say(`Sabotage: the safeguard "${sabotage}" is switched off.`);
  narrator.spin(() => 'processes start');
  await using world = await World.start({ ...options, signal: stop });
  using traffic = new Traffic(world.qq);
  const running = AbortSignal.any([stop, world.trouble]);

  await firstWords(world, traffic, narrator, running);
  const acts = sabotage === null ? EVERYTHING : SABOTAGED[sabotage];
  const enough = () => sabotage !== null && isDamaged(traffic.count());
  const played = await playAll(acts, { world, qq: world.qq, traffic, signal: running }, narrator, enough);
  await settle(world, traffic, options, running);
  let result = await resultOf(world, traffic, sabotage, played);
  if (!once) {
    options.report(result);
    await goOn(world, traffic, narrator, running);
    // Stopped on purpose: what is still on its way gets its time all the same, unless somebody hurries.
    await settle(world, traffic, options, AbortSignal.any([options.hurry, world.trouble])).catch(() => undefined);
    result = await resultOf(world, traffic, sabotage, played);
  }
  narrator.spin(() => 'processes drain');
  await world[Symbol.asyncDispose]();
  narrator.say('All processes have drained and left.');
  return { ...result, tally: traffic.count() };
}

/** Nobody speaks before the bot was there once: the platform keeps nothing for a bot that never had a session. */
async function firstWords(world: World, traffic: Traffic, narrator: Narrator, signal: AbortSignal): Promise<void> {
  await waitFor('the first session', FIRST_ANSWERS_MS, signal, () => world.qq.view().live);
  const owner = await world.owner(signal);
  narrator.say(`✔ Connected: ${owner.process.name} holds the connection.`);
  narrator.spin(() => 'people begin to talk');
  traffic.burst(1);
  await waitFor('first answers', FIRST_ANSWERS_MS, signal, () => traffic.count().lost.length === 0);
  traffic.start();
  narrator.say(`✔ ${traffic.chats} conversations, private chats and groups, talk without pause; the agent echoes.`);
}

interface Played {
  readonly recoveries: readonly Recovery[];
  readonly failures: readonly string[];
}

async function playAll(
  acts: readonly Act[],
  stage: Omit<Stage, 'now'>,
  narrator: Narrator,
  enough: () => boolean,
): Promise<Played> {
  const recoveries: Recovery[] = [];
  const failures: string[] = [];
  const timeIsUp = AbortSignal.timeout(ACTS_MS);
  const signal = AbortSignal.any([stage.signal, timeIsUp]);
  for (const [index, act] of acts.entries()) {
    if (enough()) break;
    narrator.say(`▶ ${index + 1}/${acts.length} ${act.title}`);
    let doing = '';
    const now = (text: string) => {
      doing = text;
    };
    narrator.spin(() => `${doing} · ${countsInWords(stage.traffic)}`);
    try {
      const outcome = await act.play({ ...stage, signal, now });
      recoveries.push(...outcome.recoveries);
      for (const line of outcome.telling) narrator.say(`  ✔ ${line}`);
    } catch (error) {
      stage.signal.throwIfAborted();
      const why = timeIsUp.aborted ? `the acts took longer than ${ACTS_MS / 1_000} s` : explain(error);
      failures.push(`act ${index + 1}, while "${doing}": ${why}`);
      narrator.say(`  ✘ ${why}`);
      if (timeIsUp.aborted) break;
    }
  }
  return { recoveries, failures };
}

/** Everybody falls silent; ends when all is answered and nothing more comes, or when nothing has come for long. */
async function settle(
  world: World,
  traffic: Traffic,
  { sabotage, narrator }: DemoOptions,
  signal: AbortSignal,
): Promise<void> {
  traffic.stop();
  const patience = sabotage === null ? PATIENCE_MS : SABOTAGED_PATIENCE_MS;
  narrator.spin(() => `waiting for the last answers · ${countsInWords(traffic)}`);
  let seen = -1;
  let since = performance.now();
  await waitFor('silence', ACTS_MS, signal, () => {
    const now = world.qq.journal.count('delivered');
    if (now !== seen) since = performance.now();
    seen = now;
    return performance.now() - since > (traffic.count().lost.length === 0 ? AFTERMATH_MS : patience);
  });
}

async function resultOf(world: World, traffic: Traffic, sabotage: Sabotage | null, played: Played): Promise<Result> {
  const { journal } = world.qq;
  const counters = (await world.connection().catch(() => null))?.counters;
  return {
    sabotage,
    tally: traffic.count(),
    resumed: journal.count('resumed'),
    identified: journal.count('identify', ({ outcome }) => outcome === 'accepted'),
    takeovers: counters?.takeovers ?? null,
    staleWrites: counters?.staleWrites ?? null,
    ...played,
  };
}

/** The endless part: talk on, and say now and then how it goes. */
async function goOn(world: World, traffic: Traffic, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.say('People go on talking. Ctrl-C drains everything and leaves.');
  traffic.start();
  try {
    for (;;) {
      narrator.spin(() => countsInWords(traffic));
      await sleep(LINE_EVERY_MS, { signal });
      const { state, owner } = await world.connection();
      narrator.say(`  ${countsInWords(traffic)} · connection ${state}, held by ${owner ?? 'nobody'}`);
    }
  } catch (error) {
    world.trouble.throwIfAborted();
    if (!signal.aborted) throw error;
  }
}

function countsInWords(traffic: Traffic): string {
  const { sent, answered, doubled, outOfOrder } = traffic.count();
  return `sent ${sent}, answered ${answered}, on their way ${sent - answered}, doubled ${doubled.length}, out of order ${outOfOrder.length}`;
}
