/** The death of a process that held N connections, until its sibling has resumed all of them. */
import { startRedis } from '../../test/support/redis.ts';
import { compare } from '../compare.ts';
import type { Bench, Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { childrenOf } from '../support/proc.ts';
import { startRawClient } from '../support/raw-client.ts';
import { Stage } from '../support/stage.ts';
import { untilFound } from '../support/wait.ts';

const SIZES = { full: [1, 100, 1_000], brief: [2] };
const now = () => performance.timeOrigin + performance.now();

export const takeover: Row = {
  name: 'takeover',
  title: 'Takeover after SIGKILL',
  async run(bench) {
    const found: { size: number; held: number[]; raw: number[] }[] = [];
    for (const size of bench.brief ? SIZES.brief : SIZES.full) {
      const rounds = bench.brief || size === 1_000 ? 1 : 3;
      const one = { size, held: [] as number[], raw: [] as number[] };
      for (let n = 0; n < rounds; n += 1) {
        bench.say(`${size} connections, round ${n + 1} of ${rounds}`);
        one.raw.push(await resumeAll(bench, size));
        one.held.push(await killHolder(bench, size));
      }
      found.push(one);
    }
    return {
      comparisons: found.map(({ size, held, raw }) =>
        compare({
          what: `takeover of ${size} after SIGKILL of their process`,
          unit: 'ms',
          subject: { name: 'Holdfast', samples: held },
          against: { name: 'connect + Hello + Resume alone', samples: raw },
        }),
      ),
      notes: [
        'Takeover: `worker --processes 2`, half of the connections each; one child gets SIGKILL, and what is timed ends when the gateway has confirmed a Resume of each of its connections to the other one. It holds as many of its own meanwhile. Floor: a warm process on `ws` that does nothing but resume so many.',
      ],
    };
  },
};

async function killHolder(bench: Bench, size: number): Promise<number> {
  await using stage = new Stage();
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: 2 * size }));
  const capacity = String(2 * size);
  const parent = holdfast.start('worker', '--roles', 'connections', '--processes', '2', '--capacity', capacity);
  await parent.ready();
  const children = await untilFound('two children', () => {
    const found = childrenOf(parent.pid);
    return found.length === 2 ? found : undefined;
  });
  await holdfast.bothKnown(2);
  await holdfast.start('scheduler').ready();
  await gateway.ask('untilLive', { count: 2 * size });
  const victim = await untilFound('a child that holds its half', async () => {
    const held = await holdfast.heldBy();
    return children.find((pid) => held.get(pid) === size);
  });
  const killedAt = now();
  process.kill(victim, 'SIGKILL');
  return await untilFound('all to be resumed', async () => {
    const { confirmedAt } = await gateway.ask('look', { after: killedAt });
    const last = confirmedAt[size - 1];
    return last === undefined ? undefined : last - killedAt;
  });
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
