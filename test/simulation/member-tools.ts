/** What every process of a schedule has: clients over its own wires, an adapter per platform, a name and a log. */
import type { WorkerId } from '../../src/model.ts';
import type { Invariants } from './invariants.ts';
import type { QueueUser } from './job-client.ts';
import { reads } from './reading-trouble.ts';
import { RedisPipe, redisClient } from './redis-client.ts';
import type { Member, Sim } from './sim.ts';
import { simAdapter } from './sim-adapter.ts';
import { type SimLogger, simLogger } from './trace.ts';

export interface Tools {
  readonly fenced: ReturnType<typeof redisClient>;
  readonly user: (name: keyof Sim['jobs']) => QueueUser;
  readonly worker: WorkerId;
  readonly incarnation: string;
  readonly log: SimLogger;
}

export function toolsOf({ world, server, jobs, trace }: Sim, { process, toRedis }: Member): Tools {
  const link = { server, wire: toRedis };
  const fencedPipe = new RedisPipe(world, process, link, 'fenced');
  const queuePipe = new RedisPipe(world, process, link, 'queue');
  return {
    fenced: redisClient((run) => fencedPipe.ask(run)),
    user: (name) => ({ world, process, pipe: queuePipe, scripts: jobs[name] }),
    worker: process.name as WorkerId,
    incarnation: 'i1',
    log: simLogger(trace, { process: process.name }),
  };
}

export function adaptersOf(sim: Sim, invariants: Invariants, member: Member) {
  const { process, toPlatform } = member;
  return new Map(
    [...sim.platforms].map(([id, platform]) => [
      id as string,
      simAdapter({
        platform,
        process,
        wire: toPlatform,
        random: sim.random,
        onRead: (said) => reads(sim, invariants.reading, id, member, said),
        onSent: (token) => invariants.frameSent(id, token, process),
        tokenOf: ({ log }) => Number((log as SimLogger).bound.fencingToken),
      }),
    ]),
  );
}
