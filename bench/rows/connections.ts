/**
 * Many connections in one worker process: how soon they are live, what they cost while nothing happens, what renewing their
 * leases costs Redis, and whether an event costs more beside many idle connections than beside none.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { type Comparison, compare, median } from '../compare.ts';
import type { Bench, Plot, Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { networkCalls } from '../support/network-calls.ts';
import { cpuMicros, residentKib } from '../support/proc.ts';
import { startRawClient } from '../support/raw-client.ts';
import { startSetEx } from '../support/set-ex.ts';
import { Stage } from '../support/stage.ts';

const SIZES = { plain: [1, 10, 100, 1_000, 5_000, 10_000], TLS: [1, 1_000, 5_000, 10_000] } as const;
const BRIEF_SIZES = { plain: [1, 20], TLS: [1, 10] } as const;
/** How long nothing happens while CPU is counted, each of so many times, and how long memory may settle before, ms. */
const IDLE_MS = { full: 3_000, brief: 500 };
const IDLE_TIMES = 5;
const SETTLE_MS = { full: 3_000, brief: 200 };
const EVENTS = { full: 20_000, brief: 500 };
/** Floods of each kind: one alone takes half a second, and a collection of garbage falls into it or not. */
const FLOODS = { full: 7, brief: 2 };
/** Processes with one connection, of which the median is what a process costs by itself. */
const ALONE = { full: 3, brief: 1 };
/** Default of `timings.renewEveryMs`. */
const RENEW_EVERY_MS = 1_500;
/** How long calls are counted, ms: several renewals, and whatever else comes every few seconds. */
const COUNT_MS = { full: 12_000, brief: 2_000 };
/** What a few connections cost more than one may drown in chance; a ratio needs something, KiB or µs/s. */
const LEAST = 0.1;
/** Of a connection that is talked to. */
const BUSY_CHATS = 5;
/** The lag and the traffic have their goals with so many. */
const GOAL_AT = 1_000;

type Transport = keyof typeof SIZES;

interface Idle {
  readonly size: number;
  /** Process start → all live, ms. */
  readonly startMs: number;
  readonly residentKib: number;
  /** CPU while idle, per second. */
  readonly cpuMicrosPerSecond: number;
}

type Idleness = Pick<Idle, 'residentKib' | 'cpuMicrosPerSecond'>;

interface Held extends Idle {
  /** CPU per event of each flood on one of the connections, without what the idle ones take meanwhile. */
  readonly eventMicros: readonly number[];
  readonly redisMicros: readonly number[];
  /** p99 of each flood over all of them; `null`: not asked for with so many. */
  readonly lagMs: readonly number[] | null;
}

export const connections: Row = {
  name: 'connections',
  title: 'Many connections in one process',
  async run(bench) {
    const calls = await traffic(bench);
    const plain = await measureAll(bench, 'plain');
    const tls = await measureAll(bench, 'TLS');
    return {
      comparisons: [
        ...costs('plain', plain),
        ...costs('TLS', tls),
        ...starts(plain, 'plain'),
        ...starts(tls, 'TLS'),
        calls,
        ...lag(plain.held),
        ...growth(plain.held),
      ],
      plots: plots(plain, tls),
      notes: [
        'Per connection: what a process with so many connections has more than the same with one, divided by their number; both sides identified, beat and were then left alone. With one connection both were started three times, and the median counts. Floor: `ws` sockets that identify and beat, and nothing else. CPU is of the worker only. Start: from the start of the process to READY of the last one, identify limit lifted, jobs waiting in the queue, no scheduler running; the floor needs no token, no lease and no job.',
        'CPU per event: seven floods on one connection while the others are idle, so that batches are as full with one as with ten thousand; what these take meanwhile is in their own rows and taken off here. The lag is taken under seven more floods over all 1 000, nothing held back; each lasts about half a second, so its p99 is its longest pause or the one after that. A process needs a file per connection and a few more (`ulimit -n`): `holdfast doctor` says whether there are enough.',
        'Lease and heartbeat traffic: all commands that the worker process sends to Redis while its connections are idle (renewals with heartbeats, locks of jobs, its own report), seen by MONITOR, no scheduler running, less what it sends with one connection. Floor, counted in the same way: a process that renews a lease of each connection by a SET EX every 1.5 s, as often as Holdfast does.',
      ],
    };
  },
};

interface Both {
  readonly held: readonly Held[];
  readonly raw: readonly Idle[];
}

async function measureAll(bench: Bench, transport: Transport): Promise<Both> {
  const held: Held[] = [];
  const raw: Idle[] = [];
  for (const size of (bench.brief ? BRIEF_SIZES : SIZES)[transport]) {
    const times = size > 1 ? 1 : bench.brief ? ALONE.brief : ALONE.full;
    bench.say(`${size} connections, ${transport}, raw ws`);
    raw.push(await middleOf(times, () => measureRaw(bench, transport, size)));
    bench.say(`${size} connections, ${transport}, Holdfast`);
    held.push(await middleOf(times, () => measureHeld(bench, transport, size)));
  }
  return { held, raw };
}

/** Of several processes: the median of their idleness, all else from the last one. */
async function middleOf<T extends Idle>(times: number, measureOne: () => Promise<T>): Promise<T> {
  const found = [await measureOne()];
  while (found.length < times) found.push(await measureOne());
  return {
    ...(found.at(-1) as T),
    residentKib: median(found.map((each) => each.residentKib)),
    cpuMicrosPerSecond: median(found.map((each) => each.cpuMicrosPerSecond)),
  };
}

async function measureRaw(bench: Bench, transport: Transport, size: number): Promise<Idle> {
  await using stage = new Stage();
  const gateway = stage.add(await startGateway(bench, { secure: transport === 'TLS' }));
  const client = stage.add(startRawClient(bench, gateway, 'frame'));
  const live = gateway.ask('untilLive', { count: size });
  await client.ask('connect', { count: size });
  const { at } = await live;
  return { size, startMs: at - client.startedAt, ...(await idle(bench, client.pid)) };
}

async function measureHeld(bench: Bench, transport: Transport, size: number): Promise<Held> {
  await using stage = new Stage();
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench, { secure: transport === 'TLS' }));
  const probe = bench.program('lag-probe');
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: size, probe }));
  const scheduler = await holdfast.scheduled();
  // Its sweeps would take part of the two cores; what it is for, the death of a worker, is another row's.
  await scheduler.stop();
  const live = gateway.ask('untilLive', { count: size });
  const worker = holdfast.start('worker', '--roles', 'connections', '--capacity', String(size));
  const { at } = await live;
  const startMs = at - worker.startedAt;
  await delay(bench.brief ? SETTLE_MS.brief : SETTLE_MS.full);
  const [found, redisIdle] = await Promise.all([idle(bench, worker.pid), idle(bench, redis.pid)]);

  // The first flood is to warm up.
  const events = bench.brief ? EVENTS.brief : EVENTS.full;
  const flood = async (sessions: number) => {
    const due = (await holdfast.stored()) + events;
    await gateway.ask('flood', { events, chats: BUSY_CHATS * sessions, shape: 'c2c', sessions });
    await holdfast.untilStored(due);
  };
  await flood(1);
  const stored = await holdfast.storedBy();
  const busy = stored.findIndex((count) => count > 0);
  const before = stored[busy] ?? 0;
  const [eventMicros, redisMicros]: [number[], number[]] = [[], []];
  for (let n = 1; n <= (bench.brief ? FLOODS.brief : FLOODS.full); n += 1) {
    await holdfast.emptyLanes(holdfast.places.slice(busy, busy + 1));
    const [cpu, redisCpu, began] = [cpuMicros(worker.pid), cpuMicros(redis.pid), performance.now()];
    await gateway.ask('flood', { events, chats: BUSY_CHATS, shape: 'c2c', sessions: 1 });
    await holdfast.untilStoredOf(busy, before + n * events);
    const seconds = (performance.now() - began) / 1_000;
    const perEvent = (micros: number, { cpuMicrosPerSecond }: Idleness) =>
      (micros - seconds * cpuMicrosPerSecond) / events;
    eventMicros.push(perEvent(cpuMicros(worker.pid) - cpu, found));
    redisMicros.push(perEvent(cpuMicros(redis.pid) - redisCpu, redisIdle));
  }
  if (!bench.brief && size !== GOAL_AT) return { size, startMs, ...found, eventMicros, redisMicros, lagMs: null };
  await flood(size);
  await worker.lagMs();
  const lagMs: number[] = [];
  for (let n = 0; n < (bench.brief ? FLOODS.brief : FLOODS.full); n += 1) {
    await flood(size);
    lagMs.push(await worker.lagMs());
  }
  return { size, startMs, ...found, eventMicros, redisMicros, lagMs };
}

/** The CPU is the median of several times: a collection of garbage after the start is nothing that goes on. */
async function idle(bench: Bench, pid: number): Promise<Idleness> {
  await delay(bench.brief ? SETTLE_MS.brief : SETTLE_MS.full);
  const idleMs = bench.brief ? IDLE_MS.brief : IDLE_MS.full;
  const perSecond: number[] = [];
  for (let n = 0; n < IDLE_TIMES; n += 1) {
    const before = cpuMicros(pid);
    await delay(idleMs);
    perSecond.push((cpuMicros(pid) - before) / (idleMs / 1_000));
  }
  return { cpuMicrosPerSecond: median(perSecond), residentKib: residentKib(pid) };
}

/** Memory and CPU of each connection beyond the first. */
function costs(transport: Transport, { held, raw }: Both): Comparison[] {
  const [one, rawOne] = [held[0], raw[0]];
  if (one === undefined || rawOne === undefined) return [];
  return held.flatMap((each, n) => {
    const floor = raw[n];
    if (each.size < 10 || (each.size < 1_000 && n < held.length - 1) || floor === undefined) return [];
    const beyond = each.size - 1;
    const per = (key: 'residentKib' | 'cpuMicrosPerSecond', of: Idle, first: Idle) =>
      Math.max(LEAST, (of[key] - first[key]) / beyond);
    const of = (what: string, unit: string, key: 'residentKib' | 'cpuMicrosPerSecond') =>
      compare({
        what: `${what} per idle connection, ${each.size} of them, ${transport}`,
        unit,
        subject: { name: 'Holdfast', samples: [per(key, each, one)] },
        against: { name: 'raw ws', samples: [per(key, floor, rawOne)] },
        goal: { kind: 'at most', ratio: 2 },
      });
    return [of('RSS', 'KiB', 'residentKib'), of('CPU', 'µs/s', 'cpuMicrosPerSecond')];
  });
}

function starts({ held, raw }: Both, transport: Transport): Comparison[] {
  return held.flatMap((each, n) => {
    const floor = raw[n];
    if (each.size < 10 || (each.size < 1_000 && n < held.length - 1) || floor === undefined) return [];
    return compare({
      what: `process start → ${each.size} live, ${transport}`,
      unit: 'ms',
      subject: { name: 'Holdfast', samples: [each.startMs] },
      against: { name: 'raw ws', samples: [floor.startMs] },
      ...(each.size === 1_000 || each.size < 100 ? { goal: { kind: 'at most', ratio: 2 } as const } : {}),
    });
  });
}

/** What the worker asks of Redis while its connections are idle, beyond what it asks with one; beside a SET EX for each. */
async function traffic(bench: Bench): Promise<Comparison> {
  const size = bench.brief ? Math.max(...BRIEF_SIZES.plain) : GOAL_AT;
  bench.say(`network calls of ${size} leases`);
  const countMs = bench.brief ? COUNT_MS.brief : COUNT_MS.full;
  const perSecond = (calls: number) => calls / (countMs / 1_000);
  const held = async (connections: number) => {
    await using stage = new Stage();
    const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
    const gateway = stage.add(await startGateway(bench));
    const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections }));
    const scheduler = await holdfast.scheduled();
    holdfast.start('worker', '--roles', 'connections', '--capacity', String(connections));
    await gateway.ask('untilLive', { count: connections });
    // Its sweeps are no traffic of leases, and cannot be told apart from what the worker asks.
    await scheduler.stop();
    await delay(bench.brief ? SETTLE_MS.brief : SETTLE_MS.full);
    return perSecond(await networkCalls(redis.url, countMs));
  };
  const floor = async () => {
    await using stage = new Stage();
    const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
    stage.add(await startSetEx(bench, { redisUrl: redis.url, connections: size, everyMs: RENEW_EVERY_MS }));
    await delay(2 * RENEW_EVERY_MS);
    return perSecond(await networkCalls(redis.url, countMs));
  };
  return compare({
    what: `lease and heartbeat traffic, ${size} connections`,
    unit: 'calls/s',
    subject: { name: 'Holdfast', samples: [Math.max(LEAST, (await held(size)) - (await held(1)))] },
    against: { name: 'SET EX per connection', samples: [await floor()] },
    goal: { kind: 'at most', ratio: 0.01 },
  });
}

function lag(held: readonly Held[]): Comparison[] {
  return held.flatMap(({ size, lagMs }, n) => {
    if (lagMs === null || (size !== GOAL_AT && n < held.length - 1)) return [];
    return compare({
      what: `event-loop lag p99 under saturated ingest, ${size} connections`,
      unit: 'ms',
      subject: { name: 'Holdfast', samples: lagMs },
      against: { name: 'the bound', samples: lagMs.map(() => 50) },
      goal: { kind: 'at most', ratio: 1 },
    });
  });
}

/** Whether an event costs more beside thousands of idle connections than beside none. */
function growth(held: readonly Held[]): Comparison[] {
  const [first, last] = [held[0], held.at(-1)];
  if (first === undefined || last === undefined) return [];
  const sum = ({ eventMicros, redisMicros }: Held) => eventMicros.map((micros, n) => micros + (redisMicros[n] ?? 0));
  return [
    compare({
      what: `CPU per event in worker and Redis, beside ${last.size - 1} idle connections`,
      unit: 'µs',
      subject: { name: 'Holdfast', samples: sum(last) },
      against: { name: 'beside none', samples: sum(first) },
    }),
  ];
}

function plots(plain: Both, tls: Both): Plot[] {
  const x = { title: 'connections in the process', scale: 'log' } as const;
  const points = (of: readonly Held[], value: (each: Held) => number) =>
    of.map((each) => [each.size, value(each)] as const);
  const perConnection = (of: readonly Idle[]) => {
    const first = of[0]?.residentKib ?? 0;
    return of.slice(1).map(({ size, residentKib: kib }) => [size, (kib - first) / (size - 1)] as const);
  };
  return [
    {
      name: 'event-cost-by-connections',
      title: 'CPU per event, as connections grow',
      x,
      y: { title: 'µs', scale: 'linear' },
      series: [
        { name: 'worker', points: points(plain.held, (each) => median(each.eventMicros)) },
        { name: 'Redis', points: points(plain.held, (each) => median(each.redisMicros)) },
      ],
    },
    {
      name: 'memory-by-connections',
      title: 'Memory per idle connection',
      x,
      y: { title: 'KiB', scale: 'linear' },
      series: [
        { name: 'Holdfast', points: perConnection(plain.held).filter(([size]) => size >= 100) },
        { name: 'raw ws', points: perConnection(plain.raw).filter(([size]) => size >= 100) },
        { name: 'Holdfast, TLS', points: perConnection(tls.held) },
        { name: 'raw ws, TLS', points: perConnection(tls.raw) },
      ],
    },
    {
      name: 'start-by-connections',
      title: 'Process start → all live',
      x,
      y: { title: 'ms', scale: 'log' },
      series: [
        { name: 'Holdfast', points: points(plain.held, (each) => each.startMs) },
        { name: 'raw ws', points: plain.raw.map(({ size, startMs }) => [size, startMs] as const) },
      ],
    },
  ];
}
