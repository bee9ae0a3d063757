/** The whole way: frame → lane → turn → reply taken by the platform, for 500 chats. */
import { startRedis } from '../../test/support/redis.ts';
import { compare, percentile } from '../compare.ts';
import { type Contestant, interleave } from '../rounds.ts';
import type { Bench, Row } from '../row.ts';
import { type BenchGateway, startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { childrenOf, cpuMicros } from '../support/proc.ts';
import { startRawClient } from '../support/raw-client.ts';
import { Stage } from '../support/stage.ts';

/** The platform takes 100 replies a second from a bot, and Holdfast keeps to that: so there are many. */
const BOTS = { full: 250, brief: 10 };
const CHATS_PER_BOT = 2;
const FLOOD = { full: 10_000, brief: 100 };
const PACED = { full: 300, brief: 20 };
const PER_SECOND = 100;

export const echo: Row = {
  name: 'echo',
  title: 'Echo, from frame to accepted reply',
  async run(bench) {
    await using stage = new Stage();
    const contestants = [await holdfastSide(bench, stage), await floorSide(bench, stage)];
    const measured = await interleave(bench, contestants, { rounds: 5, warmUps: 4 });
    const against = 'the handler called directly';
    return {
      comparisons: [
        compare({
          what: 'echo end to end, saturated, 500 chats',
          unit: 'replies/s',
          subject: measured.side('Holdfast', 'perSecond'),
          against: measured.side(against, 'perSecond'),
          goal: { kind: 'at least', ratio: 0.5 },
        }),
        compare({
          what: 'echo, CPU per reply of all its processes and Redis',
          unit: 'µs',
          subject: measured.side('Holdfast', 'cpuMicros'),
          against: measured.side(against, 'cpuMicros'),
        }),
        compare({
          what: 'echo end to end at 100/s, p50',
          unit: 'ms',
          subject: measured.side('Holdfast', 'p50'),
          against: measured.side(against, 'p50'),
          goal: { kind: 'at most', ratio: 3 },
        }),
      ],
      notes: [
        `Echo: ${BOTS.full} bots with ${CHATS_PER_BOT} chats each (a bot may send 100 replies a second, and Holdfast keeps to that), AOF everysec, one process for connections, one for delivery and a child of it for the agent, one scheduler. Timed at the gateway. Floor: one process on \`ws\` that calls the same echo agent and posts the reply, 16 sockets; a crash loses whatever it had.`,
      ],
    };
  },
};

async function holdfastSide(bench: Bench, stage: Stage): Promise<Contestant> {
  const bots = bench.brief ? BOTS.brief : BOTS.full;
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: bots }));
  await holdfast.scheduled();
  const connections = holdfast.start('worker', '--roles', 'connections');
  const messages = holdfast.start('worker', '--roles', 'agent,delivery');
  await messages.ready();
  await gateway.ask('untilLive', { count: bots });
  return side('Holdfast', bench, gateway, () => [
    connections.pid,
    messages.pid,
    ...childrenOf(messages.pid),
    redis.pid,
  ]);
}

async function floorSide(bench: Bench, stage: Stage): Promise<Contestant> {
  const gateway = stage.add(await startGateway(bench));
  const client = stage.add(startRawClient(bench, gateway, 'echo'));
  await client.ask('connect', { count: bench.brief ? BOTS.brief : BOTS.full });
  return side('the handler called directly', bench, gateway, () => [client.pid]);
}

function side(name: string, bench: Bench, gateway: BenchGateway, pids: () => readonly number[]): Contestant {
  const chats = CHATS_PER_BOT * (bench.brief ? BOTS.brief : BOTS.full);
  return {
    name,
    async round() {
      const events = bench.brief ? FLOOD.brief : FLOOD.full;
      const cpu = () => pids().reduce((sum, pid) => sum + cpuMicros(pid), 0);
      const before = cpu();
      const { startedAt, endedAt } = await gateway.ask('floodAnswered', { events, chats, shape: 'c2c' });
      const cpuPerReply = (cpu() - before) / events;
      const paced = bench.brief ? PACED.brief : PACED.full;
      const pace = { events: paced, chats, shape: 'c2c', perSecond: PER_SECOND, answered: true } as const;
      const { latencies } = await gateway.ask('pace', pace);
      const perSecond = (events * 1_000) / (endedAt - startedAt);
      return { perSecond, cpuMicros: cpuPerReply, p50: percentile(latencies, 0.5) };
    },
  };
}
