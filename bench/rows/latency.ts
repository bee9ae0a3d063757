/** How long a frame takes into Redis when there is nothing to hurry: one event at a time, 100 a second. */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { compare, percentile } from '../compare.ts';
import { type Contestant, interleave } from '../rounds.ts';
import type { Bench, Row } from '../row.ts';
import { Child } from '../support/child.ts';
import { startGateway } from '../support/gateway.ts';
import type { InboundOrders } from '../support/inbound.ts';
import { startRawClient } from '../support/raw-client.ts';
import { Stage } from '../support/stage.ts';
import { untilFound } from '../support/wait.ts';

const PER_SECOND = 100;
const EVENTS = { full: 400, brief: 30 };
/** In a flood before the first round: what is asked is how a process answers that has run for a while. */
const WARMING = { full: 20_000, brief: 100 };

export const latency: Row = {
  name: 'latency',
  title: 'Frame → stored at 100 a second',
  async run(bench) {
    await using stage = new Stage();
    const contestants = [await holdfastSide(bench, stage), await floorSide(bench, stage)];
    const measured = await interleave(bench, contestants, { rounds: 3 });
    const [subject, floor] = ['Holdfast', 'awaited EVALSHA'];
    return {
      comparisons: [
        compare({
          what: 'frame → stored at 100/s, AOF everysec, p50',
          unit: 'ms',
          subject: measured.side(subject, 'p50'),
          against: measured.side(floor, 'p50'),
          goal: { kind: 'at most', ratio: 1.3 },
        }),
        compare({
          what: 'the same, p99',
          unit: 'ms',
          subject: measured.side(subject, 'p99'),
          against: measured.side(floor, 'p99'),
        }),
      ],
      notes: [
        `Frame → stored: from the frame in the process's hands to Redis's answer, ${EVENTS.full} events a round, so p99 rests on four of them, after a flood of ${WARMING.full} on both sides. Holdfast's adapter and pump run in a process that notes both ends.`,
      ],
    };
  },
};

function figures(latencies: readonly number[]) {
  return { p50: percentile(latencies, 0.5), p99: percentile(latencies, 0.99) };
}

async function holdfastSide(bench: Bench, stage: Stage): Promise<Contestant> {
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const { apiBaseUrl, tokenUrl, gatewayUrl, env } = gateway;
  const settings = { redisUrl: redis.url, gateway: { apiBaseUrl, tokenUrl, gatewayUrl, env } };
  const child = stage.add(new Child<InboundOrders>(bench.program('inbound'), settings, env));
  await child.ask('live', {});
  await gateway.ask('flood', warming(bench));
  await untilFound('the flood to be stored', async () => {
    const { latencies } = await child.ask('latencies', {});
    return latencies.length >= warming(bench).events ? true : undefined;
  });
  return {
    name: 'Holdfast',
    async round() {
      await child.ask('begin', {});
      await pace(bench, gateway);
      return figures((await child.ask('latencies', {})).latencies);
    },
  };
}

async function floorSide(bench: Bench, stage: Stage): Promise<Contestant> {
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const client = stage.add(startRawClient(bench, gateway, 'store', redis.url));
  await client.ask('connect', { count: 1 });
  const warm = client.ask('until', { more: warming(bench).events });
  await gateway.ask('flood', warming(bench));
  await warm;
  return {
    name: 'awaited EVALSHA',
    async round() {
      const events = bench.brief ? EVENTS.brief : EVENTS.full;
      const ended = client.ask('until', { more: events });
      await pace(bench, gateway);
      await ended;
      return figures((await client.ask('latencies', {})).latencies);
    },
  };
}

function warming(bench: Bench) {
  return { events: bench.brief ? WARMING.brief : WARMING.full, chats: 1, shape: 'c2c' } as const;
}

async function pace(bench: Bench, gateway: Awaited<ReturnType<typeof startGateway>>): Promise<void> {
  const events = bench.brief ? EVENTS.brief : EVENTS.full;
  await gateway.ask('pace', { events, chats: 1, shape: 'c2c', perSecond: PER_SECOND, answered: false });
  // The last one is on its way.
  await delay(200);
}
