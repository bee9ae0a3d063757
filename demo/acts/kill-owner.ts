import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act } from '../stage.ts';

/** SIGKILL: no last word, no closed socket, turns and sends in flight. Whoever takes over has only what is in Redis. */
export const killOwner: Act = {
  title: 'The worker that holds the connection is killed (SIGKILL) in the middle of its work.',
  async play(stage) {
    const { world, traffic, signal } = stage;
    stage.now('looking for the owner');
    const { process } = await world.owner(signal);
    traffic.burst(2);
    const fault = markFault(stage);
    await process.kill();
    // Said while nobody listens: only Resume from the stored cursor can bring these.
    traffic.burst(2);
    stage.now(`${process.name} is dead; waiting for a successor`);
    const recovery = await recovered(stage, 'killed worker', fault);
    const successor = await world.owner(signal);
    stage.now(`starting ${process.name} again`);
    await world.launch(process.name);
    return {
      recoveries: [recovery],
      telling: [`${inWords(recovery)}, by ${successor.process.name}; ${process.name} was started again`],
    };
  },
};
