/** Receiving only, beside clients of others on the same gateway: they keep what they receive in memory, Holdfast in Redis. */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { compare } from '../compare.ts';
import type { EventShape } from '../gateway/frames.ts';
import { type Contestant, interleave } from '../rounds.ts';
import type { Bench, Row } from '../row.ts';
import { Child } from '../support/child.ts';
import type { CountOrders } from '../support/count-events.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { cpuMicros } from '../support/proc.ts';
import { Stage } from '../support/stage.ts';

const EVENTS = { full: 20_000, brief: 300 };

interface Peer {
  readonly name: string;
  readonly program: string;
  readonly shape: EventShape;
}

const PEERS: readonly Peer[] = [
  { name: '@satorijs/adapter-qq', program: 'peer-satori', shape: 'c2c' },
  { name: 'qq-guild-bot', program: 'peer-guild-bot', shape: 'guild' },
  { name: '@discordjs/ws', program: 'peer-discord', shape: 'discord' },
];

export const peers: Row = {
  name: 'peers',
  title: 'Receiving only, beside clients of others',
  async run(bench) {
    await using stage = new Stage();
    const contestants = [await holdfastSide(bench, stage)];
    for (const peer of PEERS) contestants.push(await peerSide(bench, stage, peer));
    const measured = await interleave(bench, contestants, { rounds: 3, warmUps: 3 });
    return {
      comparisons: PEERS.map(({ name }) =>
        compare({
          what: `receiving only, beside ${name}`,
          unit: 'events/s',
          subject: measured.side('Holdfast', 'perSecond'),
          against: measured.side(name, 'perSecond'),
          goal: { kind: 'at least', ratio: 1 },
        }),
      ),
      notes: [
        'Receiving only: a flood to a handler that does nothing. The peers keep nothing: what they have received when they are killed is lost. Holdfast has each event and its cursor in Redis (AOF everysec). `qq-guild-bot` knows events of guild channels only and gets those; `@discordjs/ws` gets Discord-shaped ones.',
      ],
    };
  },
};

async function holdfastSide(bench: Bench, stage: Stage): Promise<Contestant> {
  const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
  const gateway = stage.add(await startGateway(bench));
  const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: 1 }));
  holdfast.start('worker', '--roles', 'connections');
  await holdfast.start('scheduler').ready();
  await gateway.ask('untilLive', { count: 1 });
  return {
    name: 'Holdfast',
    async round() {
      await holdfast.emptyLanes();
      const events = bench.brief ? EVENTS.brief : EVENTS.full;
      const due = (await holdfast.stored()) + events;
      const flooding = gateway.ask('flood', { events, chats: 1, shape: 'c2c' });
      const endedAt = await holdfast.untilStored(due);
      const { startedAt } = await flooding;
      return { perSecond: (events * 1_000) / (endedAt - startedAt) };
    },
  };
}

async function peerSide(bench: Bench, stage: Stage, peer: Peer): Promise<Contestant> {
  const gateway = stage.add(await startGateway(bench));
  const env = { EMULATOR_API: gateway.apiBaseUrl };
  const nodeArgs = ['--import', bench.program('redirect')];
  const child = stage.add(new Child<CountOrders>(bench.program(peer.program), {}, env, nodeArgs));
  await gateway.ask('untilLive', { count: 1 });
  // READY was sent; the client may need a moment to know.
  await delay(500);
  return {
    name: peer.name,
    async round() {
      const events = bench.brief ? EVENTS.brief : EVENTS.full;
      const ended = child.ask('until', { more: events });
      const cpu = cpuMicros(child.pid);
      const { startedAt } = await gateway.ask('flood', { events, chats: 1, shape: peer.shape });
      const { at } = await ended;
      return { perSecond: (events * 1_000) / (at - startedAt), cpuMicros: (cpuMicros(child.pid) - cpu) / events };
    },
  };
}
