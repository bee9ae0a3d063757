/** Twenty minutes at a steady load: memory of every process and of Redis must become flat. */
import { setTimeout as delay } from 'node:timers/promises';
import { startRedis } from '../../test/support/redis.ts';
import { compare, median } from '../compare.ts';
import type { Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { childrenOf, residentKib } from '../support/proc.ts';
import { rememberedBytes } from '../support/remembered.ts';
import { Stage } from '../support/stage.ts';

const BOTS = 50;
const CHATS_PER_BOT = 10;
const PER_SECOND = 100;
const LOOK_EVERY_MS = { full: 10_000, brief: 500 };
const WITHOUT_IDS = 'Redis, without what it remembers of messages that are done';
const LAST_MS = { full: 20 * 60_000, brief: 3_000 };

interface Look {
  readonly minutes: number;
  readonly mib: Readonly<Record<string, number>>;
}

export const soak: Row = {
  name: 'soak',
  title: 'Soak, 20 minutes',
  onlyWhenAsked: true,
  async run(bench) {
    await using stage = new Stage();
    const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
    const gateway = stage.add(await startGateway(bench));
    const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: BOTS }));
    const scheduler = await holdfast.scheduled();
    const connections = holdfast.start('worker', '--roles', 'connections');
    const messages = await holdfast.start('worker', '--roles', 'agent,delivery').ready();
    await gateway.ask('untilLive', { count: BOTS });

    const lastMs = bench.brief ? LAST_MS.brief : LAST_MS.full;
    const events = Math.floor((lastMs / 1_000) * PER_SECOND);
    const talk = { events, chats: BOTS * CHATS_PER_BOT, shape: 'c2c', perSecond: PER_SECOND, answered: true } as const;
    const looks: Look[] = [];
    const startedAt = performance.now();
    let talking = true;
    const answered = gateway.ask('pace', talk).finally(() => {
      talking = false;
    });
    while (talking) {
      await Promise.race([answered, delay(bench.brief ? LOOK_EVERY_MS.brief : LOOK_EVERY_MS.full)]);
      const memory = await holdfast.client.info('memory');
      const used = Number(/^used_memory:(\d+)/m.exec(memory)?.[1]);
      const remembered = await rememberedBytes(holdfast);
      const mib = {
        'connections worker': residentKib(connections.pid) / 1_024,
        'agent and delivery':
          [messages.pid, ...childrenOf(messages.pid)].reduce((sum, pid) => sum + residentKib(pid), 0) / 1_024,
        scheduler: residentKib(scheduler.pid) / 1_024,
        Redis: used / 2 ** 20,
        [WITHOUT_IDS]: (used - remembered) / 2 ** 20,
      };
      looks.push({ minutes: (performance.now() - startedAt) / 60_000, mib });
      bench.say(`${Math.round((performance.now() - startedAt) / 1_000)} s of ${Math.round(lastMs / 1_000)}`);
    }
    const done = await holdfast.stored();
    const perMessage = (await rememberedBytes(holdfast)) / done;
    const names = Object.keys(looks[0]?.mib ?? {});
    const part = (name: string, from: number, to: number) =>
      looks.slice(Math.floor(looks.length * from), Math.ceil(looks.length * to)).map(({ mib }) => mib[name] ?? 0);
    return {
      comparisons: names.map((name) =>
        compare({
          what: `memory of ${name}, last fifth of the soak`,
          unit: 'MiB',
          subject: { name: 'Holdfast', samples: [median(part(name, 0.8, 1))] },
          against: { name: 'middle fifth', samples: [median(part(name, 0.4, 0.6))] },
        }),
      ),
      plots: [
        {
          name: 'soak',
          title: `Memory at ${PER_SECOND} messages a second, echoed`,
          x: { title: 'minutes', scale: 'linear' },
          y: { title: 'MiB', scale: 'linear' },
          series: names.map((name) => ({ name, points: looks.map(({ minutes, mib }) => [minutes, mib[name] ?? 0]) })),
        },
      ],
      notes: [
        `Soak: ${BOTS} bots with ${CHATS_PER_BOT} chats each, ${PER_SECOND} messages a second (${events} in all), each answered. Resident memory of the processes, \`used_memory\` of Redis; a message that is done leaves two things behind, its id for dedupe and the ordinal of its replies, about ${Math.round(perMessage)} bytes here, for two to four days (QQ): Redis grows by these until the first of them are let go. The line without them is the total less what \`MEMORY USAGE\` says of them.`,
      ],
    };
  },
};
