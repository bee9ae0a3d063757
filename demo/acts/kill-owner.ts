import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

/** SIGKILL: no last word, no closed socket, turns and sends in flight. Whoever takes over has only what is in Redis. */
export const killOwner: Act = {
  name: 'kill',
  title: "The worker that holds QQ's connection is killed (SIGKILL) in the middle of its work.",
  async play(stage) {
    const { world, traffic, signal } = stage;
    stage.now('looking for the owner');
    const { process, holds } = await world.owner(signal);
    traffic.burst(2);
    await process.kill();
    const fault = markFault(stage);
    // Said while nobody listens: only Resume from the stored cursor, and the stored offset, can bring these.
    traffic.burst(2);
    stage.now(`${process.name} is dead; waiting for a successor`);
    const recoveries = await recovered(stage, 'killed worker', fault, { platforms: holds });
    const successor = await world.owner(signal);
    stage.now(`starting ${process.name} again`);
    await world.launch(process.name);
    return {
      recoveries,
      telling: [`${inWords(recoveries)}, by ${successor.process.name}; ${process.name} was started again`],
    };
  },
};
