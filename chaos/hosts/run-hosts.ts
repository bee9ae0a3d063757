/** One run about lost hosts from its first process to its last: start, talk, cut hosts off one by one, count. */
import { loadavg } from 'node:os';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { Narrator } from '../../demo/narrator.ts';
import { waitFor } from '../../demo/wait.ts';
import { sleep } from '../../src/async/abort.ts';
import { explain } from '../../src/errors.ts';
import { causeResult } from '../cause-result.ts';
import { Crowd } from '../crowd.ts';
import { Random } from '../random.ts';
import { settle } from '../settle.ts';
import { spreadOf } from '../spread.ts';
import { add, NO_STALE_WRITES, tryStaleWrites } from '../stale-writes.ts';
import { now, type Takeover, takenOver } from '../takeover.ts';
import type { HostsResult } from './result.ts';
import { CONNECTIONS, HostSite, type Member } from './site.ts';

export interface HostsOptions {
  readonly seed: number;
  /** How often a host is cut off. */
  readonly cuts: number;
  /** On the short timings of the tests: quick to run, no numbers to publish. */
  readonly scaled: boolean;
  readonly narrator: Narrator;
  readonly signal: AbortSignal;
}

const FIRST_ANSWERS_MS = 60_000;
/** Longer than any holder may believe in its lease, ms. */
const LET_GO_MS = 30_000;

/** What came of all cuts so far. */
interface Findings {
  cuts: number;
  readonly takeovers: Takeover[];
  readonly letGoMs: number[];
  readonly complaints: string[];
  staleWrites: typeof NO_STALE_WRITES;
}

/** @throws Error when the installation does not start; the signal's reason when that aborts */
export async function runHosts(options: HostsOptions): Promise<HostsResult> {
  const { seed, cuts, scaled, narrator, signal } = options;
  const random = new Random(seed);
  narrator.say(`Seed ${seed}. Starting three hosts, Redis, the emulated platform and a worker on each of two hosts.`);
  await using site = await HostSite.start(scaled, signal);
  using crowd = new Crowd(site.qq, site.bots, new Random(seed + 1));
  const lag = monitorEventLoopDelay({ resolution: 10 });
  const findings: Findings = { cuts: 0, takeovers: [], letGoMs: [], complaints: [], staleWrites: NO_STALE_WRITES };

  crowd.greet();
  await waitFor('first answers', FIRST_ANSWERS_MS, signal, () => crowd.count().lost.length === 0);
  crowd.start();
  narrator.say(`${crowd.chats} chats of ${CONNECTIONS} bots talk. Cutting a host off ${cuts} times.`);

  const startedAt = new Date();
  lag.enable();
  for (let n = 0; n < cuts; n += 1) {
    await cutOnce(site, random, findings, n % 2 === 0 ? 'swallow' : 'unplug', signal).catch((error: unknown) => {
      signal.throwIfAborted();
      findings.complaints.push(explain(error));
    });
    narrator.say(inWords(findings, crowd));
  }
  lag.disable();
  const tookMs = Date.now() - startedAt.getTime();
  await settle(site.qq, crowd, narrator, signal);

  const tally = crowd.count();
  const texts = (said: readonly { readonly text: string }[]) => said.map(({ text }) => text);
  const { staleWrites } = findings;
  const result: HostsResult = {
    date: startedAt.toISOString(),
    seed,
    timings: scaled ? 'scaled' : 'default',
    leaseMs: site.installation.config.timings.leaseMs,
    tookMs,
    load5: Math.round((loadavg()[1] ?? 0) * 10) / 10,
    driverLagMs: { p99: Math.round(lag.percentile(99) / 1e6), max: Math.round(lag.max / 1e6) },
    cause: causeResult('host lost', findings.cuts, findings.takeovers),
    letGo: spreadOf(findings.letGoMs),
    ...{ sent: tally.sent, answered: tally.answered },
    ...{ lost: texts(tally.lost), doubled: texts(tally.doubled) },
    ...{ outOfOrder: texts(tally.outOfOrder), stray: texts(tally.stray) },
    oldTokenWrites: { tried: staleWrites.tried, accepted: staleWrites.accepted },
    identifies: site.qq.journal.count('identify', ({ outcome }) => outcome === 'accepted') - CONNECTIONS,
    complaints: [...findings.complaints, ...site.suddenEnds()],
  };
  narrator.say('Draining everything.');
  return result;
}

/** Cuts the host off that holds more, at any moment between two renewals, and heals it after the takeover. */
async function cutOnce(
  site: HostSite,
  random: Random,
  findings: Findings,
  how: 'swallow' | 'unplug',
  signal: AbortSignal,
): Promise<void> {
  await site.settled(signal);
  await sleep(random.between(0, site.installation.config.timings.renewEveryMs), { signal });
  const held = await site.held();
  const of = (member: Member) => held.filter(({ pid }) => pid === member.worker.pid);
  const [most] = site.members.toSorted((one, other) => of(other).length - of(one).length);
  if (most === undefined) throw new Error('there is no worker');
  const hit = of(most);
  findings.cuts += 1;
  const since = now(site.qq);
  await most.host[how]();
  try {
    const letGo = waitFor('the cut worker to let go', LET_GO_MS, signal, () => site.sockets(most) === 0).then(() =>
      findings.letGoMs.push(Date.now() - since.at),
    );
    const [takeovers] = await Promise.all([takenOver(site.qq, 'host lost', hit, since, signal), letGo]);
    findings.takeovers.push(...takeovers);
  } finally {
    await most.host.heal();
  }
  findings.staleWrites = add(findings.staleWrites, await tryStaleWrites(site.installation, hit));
}

function inWords({ cuts, takeovers, complaints }: Findings, crowd: Crowd): string {
  const { sent, answered, doubled, outOfOrder } = crowd.count();
  return [
    `${cuts} cuts, ${takeovers.length} takeovers, the last after ${takeovers.at(-1)?.ms ?? '–'} ms`,
    `sent ${sent}, on their way ${sent - answered}, doubled ${doubled.length}, out of order ${outOfOrder.length}`,
    ...(complaints.length === 0 ? [] : [`${complaints.length} complaints`]),
  ].join(' · ');
}
