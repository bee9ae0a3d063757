import { runConnections } from './connection-member.ts';
import type { Invariants } from './invariants.ts';
import { toolsOf } from './member-tools.ts';
import { runMessages } from './message-member.ts';
import { Wire } from './network.ts';
import { runScheduler } from './scheduler-member.ts';
import type { Member, Role, Sim } from './sim.ts';

/** Starts one process of `role`. It begins to run at the next event. */
export function startMember(sim: Sim, invariants: Invariants, role: Role): Member {
  sim.lives += 1;
  const process = sim.world.spawn(`${role}-${sim.lives}`);
  const wire = () => new Wire(sim.world, sim.weather, sim.random);
  const member: Member = {
    role,
    process,
    toRedis: wire(),
    toPlatform: wire(),
    drain: null,
    flapPresence: () => {},
  };
  sim.members.push(member);
  process.onDeath(() => sim.members.splice(sim.members.indexOf(member), 1));
  const parts = toolsOf(sim, member);
  sim.world.in(0, process, () => {
    if (role === 'connections') runConnections(sim, invariants, member, parts);
    else if (role === 'scheduler') runScheduler(sim, parts);
    else runMessages(sim, invariants, member, parts);
  });
  return member;
}
