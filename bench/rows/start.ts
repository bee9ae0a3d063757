/** Cold start: how long people wait for an answer of `status`, and for `up` to be ready with its own Redis. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startRedis } from '../../test/support/redis.ts';
import { compare } from '../compare.ts';
import { interleave } from '../rounds.ts';
import type { Row } from '../row.ts';
import { startGateway } from '../support/gateway.ts';
import { Holdfast } from '../support/holdfast.ts';
import { Stage } from '../support/stage.ts';

const GOAL_MS = { status: 500, up: 2_000 };

export const start: Row = {
  name: 'start',
  title: 'Cold start',
  async run(bench) {
    await using stage = new Stage();
    const redis = stage.add(await startRedis({ appendfsync: 'everysec' }));
    const gateway = stage.add(await startGateway(bench));
    const holdfast = stage.add(await Holdfast.install({ redis, gateway, connections: 1 }));
    await holdfast.start('scheduler').ready();
    const contestants = [
      {
        name: 'status',
        round: async () => ({ ms: await holdfast.start('status').ended() }),
      },
      {
        name: 'node -e 0',
        async round() {
          const startedAt = performance.now();
          await promisify(execFile)(process.execPath, ['-e', '0']);
          return { ms: performance.now() - startedAt };
        },
      },
      {
        name: 'up',
        async round() {
          await using inside = new Stage();
          const fresh = inside.add(await Holdfast.install({ redis: null, gateway, connections: 1 }));
          return { ms: await fresh.start('up').readyAfter() };
        },
      },
    ];
    const measured = await interleave(bench, contestants, { rounds: 5 });
    const row = (what: string, name: keyof typeof GOAL_MS) => {
      const subject = { ...measured.side(name, 'ms'), name: 'Holdfast' };
      const against = { name: 'the bound', samples: subject.samples.map(() => GOAL_MS[name]) };
      return compare({ what, unit: 'ms', subject, against, goal: { kind: 'at most', ratio: 1 } });
    };
    return {
      comparisons: [
        row('`holdfast status`: process start → exit', 'status'),
        row('`holdfast up` with embedded Redis: process start → ready', 'up'),
        compare({
          what: '`holdfast status` beside Node itself',
          unit: 'ms',
          subject: { ...measured.side('status', 'ms'), name: 'Holdfast' },
          against: measured.side('node -e 0', 'ms'),
        }),
      ],
    };
  },
};
