/** The demonstration from its first process to its last: start, talk, break things, count, go on or leave. */
import { sleep } from '../src/async/abort.ts';
import { explain } from '../src/errors.ts';
import { blackHole } from './acts/black-hole.ts';
import { dropSockets } from './acts/drop-sockets.ts';
import { freezeOwner } from './acts/freeze-owner.ts';
import { halfOpen } from './acts/half-open.ts';
import { killOwner } from './acts/kill-owner.ts';
import { outage } from './acts/outage.ts';
import { quietMoment } from './acts/quiet-moment.ts';
import { PLATFORMS, qqCrowd, telegramCrowd } from './crowd.ts';
import type { Narrator } from './narrator.ts';
import type { Recovery } from './recovery.ts';
import type { Result, Silence } from './report.ts';
import { timingsInWords } from './settings.ts';
import type { Act, Stage } from './stage.ts';
import { isDamaged } from './tally.ts';
import { sum, Traffic } from './traffic.ts';
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

/** The founding incident first, and then everything else that can happen to a connection. */
const EVERYTHING = [quietMoment, outage, dropSockets(5), blackHole, halfOpen, freezeOwner, killOwner];
/** With a safeguard off: the acts that it matters for, until the damage shows. A freeze may find nothing in flight. */
const SABOTAGED: Readonly<Record<Sabotage, readonly Act[]>> = {
  cursor: [killOwner],
  dedupe: [dropSockets(2)],
  fence: [freezeOwner, freezeOwner, freezeOwner, freezeOwner, freezeOwner],
};

/** All acts together, ms: what `--once` takes must stay below 3 minutes, also when something goes wrong. */
const ACTS_MS = 140_000;
const FIRST_ANSWERS_MS = 30_000;
/** What is unanswered after so long without any answer is lost, ms. */
const PATIENCE_MS = 15_000;
/** With a safeguard off loss is expected, and not waited for so long. */
const SABOTAGED_PATIENCE_MS = 7_000;
/** After the last answer: time for a second one that nobody wants, ms. */
const AFTERMATH_MS = 1_500;
/** While the last answers are waited for: how often Holdfast is asked which sends have an unknown outcome, ms. */
const ASK_EVERY_MS = 2_000;
/** A line of the endless part, where there is no terminal, ms. */
const LINE_EVERY_MS = 10_000;

/**
 * @returns the result, counted after everything has ended
 * @throws Error when the processes don't start or one of them dies; `stop`'s reason when that aborts before the table
 */
export async function runDemo(options: DemoOptions): Promise<Result> {
  const { narrator, sabotage, once, stop } = options;
  const all = 'an emulated QQ and Telegram, a proxy before them, Redis, a scheduler and two workers';
  narrator.say(`Starting ${all}. ${timingsInWords()}`);
  if (sabotage !== null) narrator.say(`Sabotage: the safeguard "${sabotage}" is switched off.`);
  narrator.spin(() => 'processes start');
  await using world = await World.start({ ...options, signal: stop });
  const { surroundings } = world;
  using traffic = new Traffic({ qq: qqCrowd(surroundings.qq), telegram: telegramCrowd(surroundings.telegram) });
  const running = AbortSignal.any([stop, world.trouble]);

  await firstWords(world, traffic, narrator, running);
  const acts = sabotage === null ? EVERYTHING : SABOTAGED[sabotage];
  const enough = async () => {
    if (sabotage === null) return false;
    await askUnknown(world, traffic);
    const counts = traffic.count();
    return PLATFORMS.some((name) => isDamaged(counts[name]));
  };
  const played = await playAll(acts, { ...surroundings, world, traffic, signal: running }, narrator, enough);
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
  return { ...result, counts: traffic.count() };
}

/** Nobody speaks before the bots were there once: QQ keeps nothing for a bot that never had a session. */
async function firstWords(world: World, traffic: Traffic, narrator: Narrator, signal: AbortSignal): Promise<void> {
  const { qq, telegram } = world.surroundings;
  await waitFor('the first session', FIRST_ANSWERS_MS, signal, () => qq.view().live && telegram.bot().isPolling);
  for (const platform of PLATFORMS) {
    const { id, route } = await waitFor('a holder', FIRST_ANSWERS_MS, signal, async () => {
      const connection = await world.connection(platform);
      return connection.owner !== null && connection;
    });
    narrator.say(`✔ ${id} is connected, by way of ${route}.`);
  }
  narrator.spin(() => 'people begin to talk');
  traffic.burst(1);
  await waitFor('first answers', FIRST_ANSWERS_MS, signal, () => traffic.unanswered === 0);
  traffic.start();
  narrator.say(
    `✔ ${traffic.chats} conversations talk without pause, ${traffic.qq.chats} on QQ and ${traffic.telegram.chats} on Telegram; the agent echoes.`,
  );
}

/** Which of the unanswered messages are listed for the operator. What can't be read now may be read later. */
async function askUnknown(world: World, traffic: Traffic): Promise<void> {
  const told = await world.unknownSends().catch(() => null);
  if (told !== null) for (const name of PLATFORMS) traffic[name].tell(told[name]);
}

interface Played {
  readonly recoveries: readonly Recovery[];
  readonly silences: readonly Silence[];
  readonly failures: readonly string[];
}

async function playAll(
  acts: readonly Act[],
  stage: Omit<Stage, 'now'>,
  narrator: Narrator,
  enough: () => Promise<boolean>,
): Promise<Played> {
  const recoveries: Recovery[] = [];
  const silences: Silence[] = [];
  const failures: string[] = [];
  const timeIsUp = AbortSignal.timeout(ACTS_MS);
  const signal = AbortSignal.any([stage.signal, timeIsUp]);
  for (const [index, act] of acts.entries()) {
    if (await enough()) break;
    narrator.say(`▶ ${index + 1}/${acts.length} ${act.title}`);
    let doing = '';
    const now = (text: string) => {
      doing = text;
    };
    narrator.spin(() => `${doing} · ${stage.traffic.inWords()}`);
    const from = Date.now();
    try {
      const outcome = await act.play({ ...stage, signal, now });
      recoveries.push(...outcome.recoveries);
      for (const line of outcome.telling) narrator.say(`  ✔ ${line}`);
      const within = { from, to: Date.now() };
      const { qq, telegram } = stage.traffic;
      silences.push({ act: act.name, qq: qq.longestSilenceMs(within), telegram: telegram.longestSilenceMs(within) });
    } catch (error) {
      stage.signal.throwIfAborted();
      const why = timeIsUp.aborted ? `the acts took longer than ${ACTS_MS / 1_000} s` : explain(error);
      failures.push(`act ${index + 1}, while "${doing}": ${why}`);
      narrator.say(`  ✘ ${why}`);
      if (timeIsUp.aborted) break;
    }
  }
  return { recoveries, silences, failures };
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
  narrator.spin(() => `waiting for the last answers · ${traffic.inWords()}`);
  const { qq, telegram } = world.surroundings;
  let seen = -1;
  let since = performance.now();
  let askedAt = Number.NEGATIVE_INFINITY;
  await waitFor('silence', ACTS_MS, signal, async () => {
    const now = qq.journal.count('delivered') + telegram.journal.count('delivered');
    if (now !== seen) since = performance.now();
    seen = now;
    const lasted = performance.now() - since;
    if (lasted <= AFTERMATH_MS) return false;
    if (traffic.unanswered > 0 && performance.now() - askedAt > ASK_EVERY_MS) {
      await askUnknown(world, traffic);
      askedAt = performance.now();
    }
    return sum(traffic.count(), ({ lost }) => lost.length) === 0 || lasted > patience;
  });
}

async function resultOf(world: World, traffic: Traffic, sabotage: Sabotage | null, played: Played): Promise<Result> {
  const { journal } = world.surroundings.qq;
  const connections = (await world.status().catch(() => null))?.connections;
  const total = (counter: 'takeovers' | 'staleWrites') => {
    return connections?.reduce((all, { counters }) => all + counters[counter], 0) ?? null;
  };
  return {
    sabotage,
    counts: traffic.count(),
    resumed: journal.count('resumed'),
    identified: journal.count('identify', ({ outcome }) => outcome === 'accepted'),
    takeovers: total('takeovers'),
    staleWrites: total('staleWrites'),
    ...played,
  };
}

/** The endless part: talk on, and say now and then how it goes. */
async function goOn(world: World, traffic: Traffic, narrator: Narrator, signal: AbortSignal): Promise<void> {
  narrator.say('People go on talking. Ctrl-C drains everything and leaves.');
  traffic.start();
  try {
    for (;;) {
      narrator.spin(() => traffic.inWords());
      await sleep(LINE_EVERY_MS, { signal });
      const states = (await world.status()).connections.map(({ id, state, owner }) => {
        return `${id} ${state}, held by ${owner ?? 'nobody'}`;
      });
      narrator.say(`  ${traffic.inWords()} · ${states.join(' · ')}`);
    }
  } catch (error) {
    world.trouble.throwIfAborted();
    if (!signal.aborted) throw error;
  }
}
