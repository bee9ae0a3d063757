/** The death of a process that held N connections, until its sibling has resumed all of them. */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { type Comparison, compare, median } from '../compare.ts';
import type { Bench, Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { childrenOf } from '../support/proc.ts';
import { startRawClient } from '../support/raw-client.ts';
import { Stage } from '../support/stage.ts';
import { untilFound } from '../support/wait.ts';

const SIZES = { full: [1, 100, 1_000], brief: [2] };
const SETTLE_MS = 2_000;
const now = () => performance.timeOrigin + performance.now();

export const takeover: Row = {
  name: 'takeover',
  title: 'Takeover after SIGKILL',
  async run(bench) {
    const found: Found[] = [];
    for (const size of bench.brief ? SIZES.brief : SIZES.full) {
      const rounds = bench.brief ? 1 : 3;
      const one: Found = { size, held: [], perOne: [], raw: [], rawPerOne: [] };
      for (let n = 0; n < rounds; n += 1) {
        bench.say(`${size} connections, round ${n + 1} of ${rounds}`);
        const taken = await killHolder(bench, size);
        one.held.push(taken.ms);
        one.perOne.push(taken.ms / taken.connections);
        const rawMs = await resumeAll(bench, taken.connections);
        one.raw.push(rawMs);
        one.rawPerOne.push(rawMs / taken.connections);
        bench.say(`${taken.connections} were taken over in ${Math.round(taken.ms)} ms`);
      }
      found.push(one);
    }
    return {
      comparisons: [
        ...found.map(({ size, held, raw }) =>
          compare({
            what: `takeover of ${size === 1 ? '1' : `about ${size}`} after SIGKILL of their process`,
            unit: 'ms',
            subject: { name: 'Holdfast', samples: held },
            against: { name: 'connect + Hello + Resume alone', samples: raw },
          }),
        ),
        ...growth(found),
      ],
      notes: [
        'Takeover: `worker --processes 2`, about half of the connections each (shares are even only within a tenth). One child gets SIGKILL; what is timed ends when the gateway has confirmed a Resume of every connection that this child held a moment before, by the other child or by the one that is forked in its place. The survivor goes on with its own half meanwhile. Noticing the death, fencing, and jobs are within the time. Floor: a warm process on `ws` that does nothing but resume as many.',
      ],
    };
  },
};

/** Of so many connections, ms of each round, in all and per connection. */
interface Found {
  readonly size: number;
  readonly held: number[];
  readonly perOne: number[];
  readonly raw: number[];
  readonly rawPerOne: number[];
}

/** Whether the time of each grows with their number, and how that of the floor does. */
function growth(found: readonly Found[]): Comparison[] {
  const [few, many] = found.slice(-2);
  if (few === undefined || many === undefined) return [];
  const against = `per connection of about ${few.size}`;
  return [
    compare({
      what: `takeover, per connection of about ${many.size}`,
      unit: 'ms',
      subject: { name: 'Holdfast', samples: [median(many.perOne)] },
      against: { name: against, samples: [median(few.perOne)] },
      goal: { kind: 'at most', ratio: 1 },
    }),
    compare({
      what: `connect + Hello + Resume alone, per connection of about ${many.size}`,
      unit: 'ms',
      subject: { name: 'floor', samples: [median(many.rawPerOne)] },
      against: { name: against, samples: [median(few.rawPerOne)] },
    }),
  ];
}

/** @returns how many the killed one held, and how long it took until all of them were resumed */
async function killHolder(bench: Bench, size: number): Promise<{ readonly connections: number; readonly ms: number }> {
  await using stage = new Stage();
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const connections = size === 1 ? 1 : 2 * size;
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections }));
  const capacity = String(connections);
  const parent = holdfast.start('worker', '--roles', 'connections', '--processes', '2', '--capacity', capacity);
  await parent.ready();
  const children = await untilFound('two children', () => {
    const found = childrenOf(parent.pid);
    return found.length === 2 ? found : undefined;
  });
  await holdfast.bothKnown(2);
  await holdfast.start('scheduler').ready();
  await gateway.ask('untilLive', { count: connections });
  // Their cursors are stored by then: what is killed earlier has no session to resume.
  await delay(SETTLE_MS);
  const held = await holdfast.heldBy();
  const [victim] = children.toSorted((one, other) => farFrom(size, held.get(one)) - farFrom(size, held.get(other)));
  const lost = new Set(held.get(victim ?? 0));
  if (victim === undefined || lost.size === 0) throw new Error('no child holds anything');
  const killedAt = now();
  process.kill(victim, 'SIGKILL');
  const resumedAt = await untilFound(
    'all to be resumed',
    async () => {
      const { resumed } = await gateway.ask('resumed', { after: killedAt });
      // The first Resume of each: the child that is forked in its place gets some of them a little later.
      const first = new Map<string, number>();
      for (const { account, at } of resumed.toReversed()) first.set(account, at);
      const times = [...lost].map((appId) => first.get(`QQBot token-of-${appId}`));
      return times.some((at) => at === undefined) ? undefined : Math.max(...times.map(Number));
    },
    { everyMs: 50 },
  );
  return { connections: lost.size, ms: resumedAt - killedAt };
}

function farFrom(size: number, held: readonly string[] = []): number {
  return held.length === 0 ? Number.POSITIVE_INFINITY : Math.abs(held.length - size);
}

async function resumeAll(bench: Bench, size: number): Promise<number> {
  await using stage = new Stage();
  const gateway = stage.add(await startGateway(bench));
  const before = stage.add(startRawClient(bench, gateway, 'frame'));
  const { sessions } = await before.ask('connect', { count: size });
  const heir = stage.add(startRawClient(bench, gateway, 'frame'));
  // Warm: it has dialed before.
  await heir.ask('connect', { count: 1 });
  await before.kill();
  const startedAt = now();
  await heir.ask('resume', { sessions });
  return now() - startedAt;
}
