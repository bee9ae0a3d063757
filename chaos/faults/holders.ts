/** Faults of the processes that hold connections. */
import { sleep } from '../../src/async/abort.ts';
import { signalProcess } from '../../test/support/served-process.ts';
import type { Held, Site } from '../site.ts';
import { tryStaleWrites } from '../stale-writes.ts';
import { type Moment, now, takenOver } from '../takeover.ts';
import type { Cause, Fault, Ground, Strike } from './fault.ts';

/** A freeze outlasts the lease by this, ms: least and most. */
const BEYOND_LEASE_MS = [1_000, 3_000] as const;

export const killChild: Fault = {
  cause: 'child killed',
  async strike({ site, random, signal }) {
    const held = await site.settled(signal);
    const { pid } = random.pick(held);
    const hit = held.filter((one) => one.pid === pid);
    const since = now(site.qq);
    site.groupOf(pid)?.killChild(pid);
    return await healed(site, 'child killed', hit, since, signal, 1);
  },
};

export const killGroup: Fault = {
  cause: 'group killed',
  async strike({ site, random, signal }) {
    const { group, hit } = await someGroup({ site, random, signal });
    const since = now(site.qq);
    const killed = await group.kill();
    const strike = await healed(site, 'group killed', hit, since, signal, killed);
    await group.start(signal);
    return strike;
  },
};

export const drainGroup: Fault = {
  cause: 'drained',
  async strike({ site, random, signal }) {
    const { group, hit } = await someGroup({ site, random, signal });
    const since = now(site.qq);
    const [strike, code] = await Promise.all([healed(site, 'drained', hit, since, signal, 0), group.drain()]);
    await group.start(signal);
    return code === 0 ? strike : { ...strike, complaints: [...strike.complaints, `a drain ended with code ${code}`] };
  },
};

export const freezeChild: Fault = {
  cause: 'frozen',
  async strike({ site, random, signal }) {
    const held = await site.settled(signal);
    const { pid } = random.pick(held);
    const hit = held.filter((one) => one.pid === pid);
    const beyondMs = random.between(...BEYOND_LEASE_MS);
    const since = now(site.qq);
    signalProcess(pid, 'SIGSTOP');
    try {
      const strike = await healed(site, 'frozen', hit, since, signal, 0);
      const frozenMs = site.installation.config.timings.leaseMs + beyondMs;
      await sleep(Math.max(0, since.at + frozenMs - Date.now()), { signal });
      return strike;
    } finally {
      signalProcess(pid, 'SIGCONT');
    }
  },
};

/** What `holdfast connections handoff` writes, without the time that command takes to start. */
export const handOver: Fault = {
  cause: 'handed over',
  async strike({ site, random, signal }) {
    const one = random.pick(await site.settled(signal));
    const since = now(site.qq);
    await site.askForHandoff(one.connection);
    return await healed(site, 'handed over', [one], since, signal, 0);
  },
};

/** A group and what it holds; one that holds something, if there is one. */
async function someGroup({ site, random, signal }: Ground) {
  const held = await site.settled(signal);
  const group = site.groupOf(random.pick(held).pid);
  if (group === undefined) throw new Error('a holder is in no group');
  const { children } = group;
  return { group, hit: held.filter(({ pid }) => children.includes(pid)) };
}

/** Waits for the takeovers, and then tries to write as the one who was overtaken. */
async function healed(
  site: Site,
  cause: Cause,
  hit: readonly Held[],
  since: Moment,
  signal: AbortSignal,
  killed: number,
): Promise<Strike> {
  const takeovers = await takenOver(site.qq, cause, hit, since, signal);
  return { killed, takeovers, staleWrites: await tryStaleWrites(site.installation, hit), complaints: [] };
}
