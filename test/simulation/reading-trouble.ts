/**
 * Trouble with reading: events that kill whoever reads them, and crashes that strike who has just read. Drawn apart from the
 * other faults, so that a seed's storm stays what it was.
 */
import type { ConnectionId } from '../../src/model.ts';
import type { Said } from './platform.ts';
import type { Random } from './random.ts';
import type { ReadingWatch } from './reading-watch.ts';
import type { Member, Sim } from './sim.ts';
import type { Process } from './world.ts';

/** Of schedules with an event that kills. */
const DEADLY = 0.3;
/** Of schedules in which holders crash once they have read, while nothing can be stored. */
const CRASHES_ONCE_READ = 0.25;
/** More than it takes to set an event aside. */
const CRASHES = 6;
/** From reading to the crash, ms: the note is closed by then, unless the wires are slow. */
const CRASH_AFTER_MS = 50;

/** Thrown where the process ends: nothing of it runs on. */
class Died extends Error {
  override readonly name = 'Died';
}

const doomed = new WeakSet<Process>();

/** Puts it on the calendar; all of it begins in the first half of the storm, since each death takes its time. */
export function raiseReadingTrouble(sim: Sim, random: Random): void {
  const { world, settings } = sim;
  const at = () => world.now + random.between(0, settings.stormMs / 2);
  const id = random.pick(settings.connections);
  const chat = `${id}p${random.int(1, settings.chatsPerConnection)}`;
  if (random.chance(DEADLY)) {
    const count = random.pick([1, 1, 2]);
    world.at(at(), null, () => {
      for (let n = 0; n < count; n += 1) sim.platforms.get(id)?.say(chat, { deadly: true });
    });
  }
  if (random.chance(CRASHES_ONCE_READ)) world.at(at(), null, () => crashOnceRead(sim, id, chat));
}

/** Redis takes no message, and whoever has read one crashes: nobody dies of it, and nobody makes progress. */
function crashOnceRead(sim: Sim, id: ConnectionId, chat: string): void {
  const { world, server, settings, trace } = sim;
  trace.note(`fault crashes-once-read ${id}`);
  server.outOfMemory = true;
  const crash = { id, left: CRASHES };
  sim.crashOnceRead = crash;
  sim.platforms.get(id)?.say(chat);
  const end = world.now + settings.stormMs;
  // Other trouble with memory ends meanwhile.
  const keepFull = () => {
    server.outOfMemory = crash.left > 0 && world.now < end && sim.crashOnceRead === crash;
    if (server.outOfMemory) world.in(100, null, keepFull);
    else sim.crashOnceRead = null;
  };
  world.in(100, null, keepFull);
}

/** An adapter reads an event. @throws when that was the end of its process */
export function reads(sim: Sim, watch: ReadingWatch, id: ConnectionId, member: Member, said: Said): void {
  const { process } = member;
  if (said.deadly) {
    sim.trace.note(`fault deadly ${id} ${said.id} ${process.name}`);
    watch.killed(id, said.id);
    kill(sim, member);
    throw new Died(said.id);
  }
  const crash = sim.crashOnceRead;
  if (crash?.id !== id || crash.left === 0 || doomed.has(process)) return;
  crash.left -= 1;
  doomed.add(process);
  sim.world.in(CRASH_AFTER_MS, null, () => kill(sim, member));
}

function kill(sim: Sim, member: Member): void {
  if (member.process.state === 'dead') return;
  member.process.die();
  sim.replace(member.role, sim.random.between(20, 500));
}
