/**
 * The worker that holds the connection stops for longer than its lease, as a laptop that sleeps or a machine that swaps,
 * and then goes on as if nothing had been. Its socket buffer is full, its turns and sends are half done, and all of it
 * belongs to somebody else by now.
 */
import { inWords, markFault, recovered } from '../recovery.ts';
import type { Act, Stage } from '../stage.ts';
import { waitFor } from '../wait.ts';
import type { Owner } from '../world.ts';

/** Users see a message at once, but its sender hears of it only after this, ms: so that sends are in flight, too. */
const SLOW_ANSWER_MS = 500;
/** Messages per conversation that make an outbox full, and answers that show that it was. */
const BURST = 6;
const BEGUN = 2;
const BUSY_MS = 20_000;
const AWAKE_MS = 20_000;

export const freezeOwner: Act = {
  name: 'freeze',
  title: "The worker that holds QQ's connection freezes (SIGSTOP) in the middle of its work, beyond its lease.",
  async play(stage) {
    const { world, qq, traffic, signal } = stage;
    stage.now('looking for the owner');
    const frozen = await world.owner(signal);
    const slow = qq.faults.sendDrip({ overMs: SLOW_ANSWER_MS });
    try {
      stage.now('filling lanes and outboxes');
      await fillOutboxes(stage);
      const fault = markFault(stage);
      frozen.process.signal('SIGSTOP');
      stage.now(`${frozen.process.name} is frozen; waiting for a successor`);
      const recoveries = await recovered(stage, 'frozen worker', fault, { platforms: frozen.holds });
      const successor = await world.owner(signal);
      // The successor must be busy when the frozen one wakes: then nothing but fencing keeps them apart.
      stage.now('the successor works');
      await fillOutboxes(stage);
      frozen.process.signal('SIGCONT');
      stage.now(`${frozen.process.name} is awake again`);
      const verdict = await watchWoken(stage, frozen, successor);
      traffic.burst(1);
      return {
        recoveries,
        telling: [`${inWords(recoveries)}, by ${successor.process.name}`, verdict],
      };
    } finally {
      frozen.process.signal('SIGCONT');
      slow.clear();
    }
  },
};

/** Says more than can be answered at once, and waits until answers to it begin to come: the rest is in flight then. */
async function fillOutboxes({ traffic: { qq }, signal }: Stage): Promise<void> {
  const first = qq.said.length;
  qq.burst(BURST);
  await waitFor('answers to come', BUSY_MS, signal, () => {
    return qq.answeredSince(first).filter((count) => count >= BEGUN).length >= qq.chats - 1;
  });
}

/** @returns what the woken worker did, in words */
async function watchWoken({ world, signal }: Stage, frozen: Owner, { connection: before }: Owner): Promise<string> {
  const status = await waitFor(`${frozen.process.name} to report again`, AWAKE_MS, signal, async () => {
    const document = await world.status();
    return document.workers.some((worker) => worker.id === frozen.process.worker) ? document : undefined;
  });
  const now = status.connections.find(({ id }) => id === before.id);
  const { name } = frozen.process;
  const refused = (now?.counters.staleWrites ?? 0) - before.counters.staleWrites;
  const late = `${refused} late writes refused`;
  if (now?.owner === before.owner && now?.fencingToken === before.fencingToken) {
    return `${name} woke up and took nothing back: owner and fencing token stand, ${late}`;
  }
  return `${name} woke up, and the connection moved on (owner ${now?.owner}, token ${now?.fencingToken}), ${late}`;
}
