/** Ingest saturated: a flood on one connection, until all of it is stored with its cursor. */
import { startRedis, type TestRedis } from '../../test/support/redis.ts';
import { compare } from '../compare.ts';
import { type Contestant, interleave } from '../rounds.ts';
import type { Bench, Outcome, Row } from '../row.ts';
import { type BenchGateway, startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { cpuMicros } from '../support/proc.ts';
import { startRawClient } from '../support/raw-client.ts';
import { Stage } from '../support/stage.ts';

const EVENTS = { full: 40_000, brief: 2_000 };
const CHATS = 500;
const ROUNDS = 5;
/** Until the compiler of V8 has seen enough, on both sides. */
const WARM_UPS = 4;

export const ingest: Row = {
  name: 'ingest',
  title: 'Ingest, saturated',
  async run(bench) {
    const everysec = await saturated(bench, 'everysec');
    const always = await saturated(bench, 'always');
    return {
      comparisons: [...everysec.comparisons, ...always.comparisons],
      notes: [
        'Ingest: one connection, 500 chats, events of about 500 bytes, back-pressure honoured. Floor: a process that parses each frame and sends one pipelined EVALSHA for it (XADD, HSET, token check; at most 1000 unanswered). CPU floor: `ws` and JSON.parse, nothing kept.',
      ],
    };
  },
};

async function saturated(bench: Bench, appendfsync: 'everysec' | 'always'): Promise<Outcome> {
  await using stage = new Stage();
  const redis = stage.add(await startRedis({ appendfsync }));
  const floorRedis = stage.add(await startRedis({ appendfsync }));
  const events = bench.brief ? EVENTS.brief : EVENTS.full;
  const contestants = [
    await holdfastSide(bench, stage, redis, events),
    await floorSide(bench, stage, floorRedis, events, 'store'),
    ...(appendfsync === 'everysec' ? [await floorSide(bench, stage, floorRedis, events, 'parse')] : []),
  ];
  const measured = await interleave(bench, contestants, { rounds: ROUNDS, warmUps: WARM_UPS });
  const rate = compare({
    what: `ingest saturated, AOF ${appendfsync}`,
    unit: 'events/s',
    subject: measured.side('Holdfast', 'perSecond'),
    against: measured.side('pipelined EVALSHA', 'perSecond'),
    goal: { kind: 'at least', ratio: 1.3 },
  });
  if (appendfsync === 'always') return { comparisons: [rate] };
  const cpu = compare({
    what: 'ingest CPU per event, in the worker',
    unit: 'µs',
    subject: measured.side('Holdfast', 'cpuMicros'),
    against: measured.side('ws + JSON.parse', 'cpuMicros'),
    goal: { kind: 'at most', ratio: 3 },
  });
  const storingCpu = compare({
    what: 'the same, beside the process that stores by pipelined EVALSHA',
    unit: 'µs',
    subject: measured.side('Holdfast', 'cpuMicros'),
    against: measured.side('pipelined EVALSHA', 'cpuMicros'),
  });
  const redisCpu = compare({
    what: 'ingest CPU per event, in Redis',
    unit: 'µs',
    subject: measured.side('Holdfast', 'redisMicros'),
    against: measured.side('pipelined EVALSHA', 'redisMicros'),
  });
  return { comparisons: [rate, cpu, storingCpu, redisCpu] };
}

async function holdfastSide(bench: Bench, stage: Stage, redis: TestRedis, events: number): Promise<Contestant> {
  const gateway = stage.add(await startGateway(bench));
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: 1 }));
  const worker = holdfast.start('worker', '--roles', 'connections');
  await holdfast.start('scheduler').ready();
  await gateway.ask('untilLive', { count: 1 });
  return {
    name: 'Holdfast',
    async round() {
      await holdfast.emptyLanes();
      const due = (await holdfast.stored()) + events;
      const [cpu, redisCpu] = [cpuMicros(worker.pid), cpuMicros(redis.pid)];
      const flooding = gateway.ask('flood', { events, chats: CHATS, shape: 'c2c' });
      const endedAt = await holdfast.untilStored(due);
      const { startedAt } = await flooding;
      return {
        perSecond: (events * 1_000) / (endedAt - startedAt),
        cpuMicros: (cpuMicros(worker.pid) - cpu) / events,
        redisMicros: (cpuMicros(redis.pid) - redisCpu) / events,
      };
    },
  };
}

async function floorSide(
  bench: Bench,
  stage: Stage,
  redis: TestRedis,
  events: number,
  work: 'store' | 'parse',
): Promise<Contestant> {
  const gateway: BenchGateway = stage.add(await startGateway(bench));
  const client = stage.add(startRawClient(bench, gateway, work, redis.url));
  await client.ask('connect', { count: 1 });
  return {
    name: work === 'store' ? 'pipelined EVALSHA' : 'ws + JSON.parse',
    async round() {
      await redis.client().del('{floor}:events');
      const ended = client.ask('until', { more: events });
      const [cpu, redisCpu] = [cpuMicros(client.pid), cpuMicros(redis.pid)];
      const { startedAt } = await gateway.ask('flood', { events, chats: CHATS, shape: 'c2c' });
      const { at } = await ended;
      return {
        perSecond: (events * 1_000) / (at - startedAt),
        cpuMicros: (cpuMicros(client.pid) - cpu) / events,
        redisMicros: (cpuMicros(redis.pid) - redisCpu) / events,
      };
    },
  };
}
