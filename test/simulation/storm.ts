/** The faults of a schedule: what can go wrong, drawn from the seed. Each ends by itself, or when the storm is over. */
import { wishHandoff, wishPaused, wishRestart } from '../../src/state/desired.ts';
import type { RedisClient } from '../../src/state/redis.ts';
import { CALM } from './network.ts';
import type { Random } from './random.ts';
import type { Member, Role, Sim } from './sim.ts';

export interface StormTools {
  /** An operator's client: never in trouble. */
  readonly operator: RedisClient;
  run(work: () => Promise<unknown>): void;
}

interface Fault {
  readonly name: string;
  readonly weight: number;
  strike(sim: Sim, random: Random, tools: StormTools): string;
}

/** More trouble for turns than this could make a turn crash five times, and be a dead letter: another promise. */
const MOST_TURN_FAULTS = 4;

const FAULTS: readonly Fault[] = [
  {
    name: 'crash',
    weight: 4,
    strike: (sim, random) => {
      const member = victim(sim, random);
      member.process.die();
      sim.replace(member.role, random.between(50, 3_000));
      return member.process.name;
    },
  },
  {
    name: 'freeze',
    weight: 3,
    strike: (sim, random) => {
      const { process } = victim(sim, random);
      const ms = random.between(50, 2 * sim.settings.leaseMs);
      sim.world.freeze(process);
      sim.world.in(ms, null, () => sim.world.thaw(process));
      return `${process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'sleep',
    weight: 2,
    strike: (sim, random) => {
      const { process } = victim(sim, random);
      const ms = random.between(100, 2 * sim.settings.leaseMs);
      sim.world.freeze(process);
      sim.world.in(ms, null, () => sim.world.thaw(process, ms));
      return `${process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'cut-from-redis',
    weight: 4,
    strike: (sim, random) => {
      const member = victim(sim, random, random.chance(0.5) ? 'connections' : undefined);
      const ms = random.between(50, 2 * sim.settings.leaseMs);
      member.toRedis.cut(ms);
      return `${member.process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'cut-from-platform',
    weight: 3,
    strike: (sim, random) => {
      const member = victim(sim, random);
      const ms = random.between(50, 6_000);
      member.toPlatform.cut(ms);
      return `${member.process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'wall-clock-step',
    weight: 2,
    strike: (sim, random) => {
      const { process } = random.pick(sim.members);
      const ms = random.pick([-3_600_000, -5_000, -300, 300, 5_000, 3_600_000]) * random.next();
      process.wallOffset += ms;
      return `${process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'redis-freeze',
    weight: 1,
    strike: ({ server, world, settings }, random) => {
      const ms = random.between(50, 1.5 * settings.leaseMs);
      server.freeze();
      world.in(ms, null, () => server.thaw());
      return `${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'redis-restart',
    weight: 1,
    strike: ({ server, world }, random) => {
      server.freeze();
      server.restart();
      world.in(random.between(50, 1_500), null, () => server.thaw());
      return server.runId;
    },
  },
  {
    name: 'redis-full',
    weight: 2,
    strike: ({ server, world }, random) => {
      const ms = random.between(20, 3_000);
      server.outOfMemory = true;
      world.in(ms, null, () => {
        server.outOfMemory = false;
      });
      return `${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'redis-clock-step',
    weight: 2,
    strike: ({ server }, random) => {
      const ms = Math.round(random.pick([-3_600_000, -400_000, -1_500, 1_500, 400_000, 3_600_000]) * random.next());
      server.clockOffset += ms;
      return `${ms} ms`;
    },
  },
  {
    name: 'redis-set-back-at-a-crash',
    weight: 3,
    strike: (sim, random) => {
      const member = victim(sim, random, random.chance(0.7) ? 'messages' : 'connections');
      const ms = random.pick([400_000, 3_600_000]);
      member.process.die();
      sim.server.clockOffset -= ms;
      sim.replace(member.role, random.between(50, 3_000));
      return `${member.process.name} ${ms} ms`;
    },
  },
  {
    name: 'presence-lost',
    weight: 3,
    strike: (sim, random) => {
      const member = victim(sim, random, 'connections');
      const ms = random.between(20, 2_500);
      member.flapPresence(ms);
      return `${member.process.name} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'drain',
    weight: 3,
    strike: (sim, random) => {
      const member = victim(sim, random, 'connections');
      const { drain } = member;
      if (drain === null) return 'not yet running';
      member.drain = null;
      sim.world.in(0, member.process, () => void drain());
      sim.replace('connections', random.between(0, 1_000));
      // Whoever started it does not wait for ever.
      sim.world.in(10_000, null, () => member.process.die());
      return member.process.name;
    },
  },
  {
    name: 'sockets-dropped',
    weight: 3,
    strike: (sim, random) => {
      random.pick([...sim.platforms.values()]).drop();
      return '';
    },
  },
  {
    name: 'platform-down',
    weight: 2,
    strike: (sim, random) => {
      const platform = random.pick([...sim.platforms.values()]);
      const ms = random.between(100, 5_000);
      platform.down = true;
      platform.drop();
      sim.world.in(ms, null, () => {
        platform.down = false;
      });
      return `${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'session-forgotten',
    weight: 1,
    strike: (sim, random) => {
      random.pick([...sim.platforms.values()]).forget();
      return '';
    },
  },
  {
    name: 'weather',
    weight: 4,
    strike: (sim, random) => {
      const ms = random.between(200, 4_000);
      Object.assign(sim.weather, {
        delayMs: random.pick([3, 20, 80]),
        spikes: random.pick([0, 0.05, 0.2]),
        spikeMs: random.pick([100, 600]),
        losses: random.pick([0, 0.02, 0.1]),
      });
      const { strays } = sim.weather;
      sim.world.in(ms, null, () => Object.assign(sim.weather, { ...CALM, strays }));
      return `${JSON.stringify(sim.weather)} ${ms.toFixed(0)} ms`;
    },
  },
  {
    name: 'restart-wish',
    weight: 1,
    strike: (sim, random, { run, operator }) => {
      const id = random.pick(sim.settings.connections);
      run(() => wishRestart(operator, sim.keys, id));
      return id;
    },
  },
  {
    name: 'handoff-wish',
    weight: 1,
    strike: (sim, random, { run, operator }) => {
      const id = random.pick(sim.settings.connections);
      const target = random.chance(0.5) ? victim(sim, random, 'connections').process.name : null;
      run(() => wishHandoff(operator, sim.keys, id, { target, avoid: null }));
      return `${id} to ${target}`;
    },
  },
  {
    name: 'pause',
    weight: 1,
    strike: (sim, random, { run, operator }) => {
      const id = random.pick(sim.settings.connections);
      run(() => wishPaused(operator, sim.keys, id, true));
      sim.world.in(random.between(100, 3_000), null, () => run(() => wishPaused(operator, sim.keys, id, false)));
      return id;
    },
  },
];

/** Puts the faults of the next `settings.stormMs` on the calendar. */
export function raiseStorm(sim: Sim, random: Random, tools: StormTools): void {
  const { world, settings, trace } = sim;
  const start = world.now;
  sim.weather.strays = random.pick([0, 0.5]);
  let turnFaults = 0;
  for (let i = 0; i < settings.faults; i += 1) {
    const fault = drawFault(random);
    world.at(start + random.between(0, settings.stormMs), null, () => {
      const target = [...sim.members];
      if (target.length === 0) return;
      if (turnFaults >= MOST_TURN_FAULTS) sim.sparedRoles.add('messages');
      const what = fault.strike(sim, random, tools);
      if (what.startsWith('messages')) turnFaults += 1;
      trace.note(`fault ${fault.name} ${what}`);
    });
  }
}

/** Redis's clock is set back just when a turn was postponed, in some schedules: by chance that is rare. */
export function setBackAtPostponement({ world, server, settings, trace }: Sim, random: Random): void {
  if (!random.chance(0.2)) return;
  const until = world.now + settings.stormMs;
  let done = false;
  server.watchers.push(({ name, reply }) => {
    if (done || name !== 'postpone-turn' || reply === 0 || world.now > until) return;
    done = true;
    world.in(1, null, () => {
      server.clockOffset -= 3_600_000;
      trace.note('fault redis-set-back-at-a-postponement');
    });
  });
}

/** Everything that is still wrong ends now. Clocks stay as they are: nobody promised that they agree. */
export function endStorm(sim: Sim): void {
  Object.assign(sim.weather, CALM);
  sim.server.thaw();
  sim.server.outOfMemory = false;
  for (const platform of sim.platforms.values()) platform.down = false;
  for (const { process, toRedis, toPlatform } of sim.members) {
    toRedis.mend();
    toPlatform.mend();
    sim.world.thaw(process);
  }
}

function drawFault(random: Random): Fault {
  let at = random.between(0, TOTAL_WEIGHT);
  for (const fault of FAULTS) {
    at -= fault.weight;
    if (at <= 0) return fault;
  }
  return random.pick(FAULTS);
}

const TOTAL_WEIGHT = FAULTS.reduce((sum, { weight }) => sum + weight, 0);

function victim(sim: Sim, random: Random, role?: Role): Member {
  const open = sim.members.filter((one) => (role === undefined || one.role === role) && !sim.sparedRoles.has(one.role));
  return random.pick(open.length > 0 ? open : sim.members);
}
