/** Whether an event costs more when the conversations of a connection are many. */
import { startRedis } from '../../test/support/redis.ts';
import { compare } from '../compare.ts';
import type { Bench, Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { cpuMicros } from '../support/proc.ts';
import { Stage } from '../support/stage.ts';

const CHATS = { full: [1, 10, 100, 1_000, 10_000], brief: [1, 50] };
const EVENTS = { full: 20_000, brief: 500 };

export const chats: Row = {
  name: 'chats',
  title: 'Growth with conversations',
  async run(bench) {
    await using stage = new Stage();
    const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
    const gateway = stage.add(await startGateway(bench));
    const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: 1 }));
    const worker = holdfast.start('worker', '--roles', 'connections');
    await holdfast.start('scheduler').ready();
    await gateway.ask('untilLive', { count: 1 });
    const found: { readonly chats: number; readonly worker: number; readonly redis: number }[] = [];
    for (const count of bench.brief ? CHATS.brief : CHATS.full) {
      bench.say(`${count} conversations`);
      const pids = { worker: worker.pid, redis: redis.pid };
      found.push({ chats: count, ...(await costOf(bench, holdfast, gateway, pids, count)) });
    }
    const first = found[0];
    const last = found.at(-1);
    if (first === undefined || last === undefined) throw new Error('nothing was measured');
    const sum = (each: typeof first) => each.worker + each.redis;
    return {
      comparisons: [
        compare({
          what: `CPU per event in worker and Redis, ${last.chats} conversations`,
          unit: 'µs',
          subject: { name: 'Holdfast', samples: [sum(last)] },
          against: { name: `${first.chats} conversation`, samples: [sum(first)] },
        }),
      ],
      plots: [
        {
          name: 'event-cost-by-chats',
          title: 'CPU per event, as conversations grow',
          x: { title: 'conversations of one connection', scale: 'log' },
          y: { title: 'µs', scale: 'linear' },
          series: [
            { name: 'worker', points: found.map((each) => [each.chats, each.worker] as const) },
            { name: 'Redis', points: found.map((each) => [each.chats, each.redis] as const) },
          ],
        },
      ],
      notes: [
        'Growth: a flood over conversations that are all awake; what waking one costs (one BullMQ job) comes once per burst of a conversation, not per event.',
      ],
    };
  },
};

async function costOf(
  bench: Bench,
  holdfast: Holdfast,
  gateway: Awaited<ReturnType<typeof startGateway>>,
  pids: { readonly worker: number; readonly redis: number },
  count: number,
): Promise<{ readonly worker: number; readonly redis: number }> {
  await holdfast.emptyLanes();
  const events = bench.brief ? EVENTS.brief : EVENTS.full;
  const flood = async () => {
    const due = (await holdfast.stored()) + events;
    await gateway.ask('flood', { events, chats: count, shape: 'c2c' });
    await holdfast.untilStored(due);
  };
  await flood();
  const [worker, redis] = [cpuMicros(pids.worker), cpuMicros(pids.redis)];
  await flood();
  return { worker: (cpuMicros(pids.worker) - worker) / events, redis: (cpuMicros(pids.redis) - redis) / events };
}
