/**
 * Faults of what the holders depend on: the platform's sockets, and Redis. Nobody has to take anything over.
 *
 * For one lease after Redis was away nobody is declared dead by an absent presence; a worker killed then is missed only
 * when its lease runs out. So the next fault waits for that long, and each takeover has one cause.
 */
import { sleep } from '../../src/async/abort.ts';
import type { QqEmulator } from '../../test/emulators/qq/index.ts';
import { NO_STALE_WRITES } from '../stale-writes.ts';
import { now, takenOver, whoCameBack } from '../takeover.ts';
import type { Fault } from './fault.ts';

const REDIS_AWAY_MS = [0, 1_500] as const;
const REDIS_FREEZE_LEAST_MS = 300;

const DROPS: readonly ((qq: QqEmulator, appId: string) => number)[] = [
  ({ faults }, appId) => faults.dropSockets({ how: 'rst', appId }),
  ({ faults }, appId) => faults.dropSockets({ how: 'fin', appId }),
  ({ faults }, appId) => faults.close(4009, undefined, { appId }),
  ({ faults }, appId) => faults.op7({ appId }),
];

export const dropSocket: Fault = {
  cause: 'socket dropped',
  async strike({ site, random, signal }) {
    const one = random.pick(await site.settled(signal));
    const drop = random.pick(DROPS);
    const since = now(site.qq);
    drop(site.qq, one.bot.account.appId);
    const takeovers = await takenOver(site.qq, 'socket dropped', [one], since, signal);
    return { killed: 0, takeovers, staleWrites: NO_STALE_WRITES, complaints: [] };
  },
};

export const killRedis: Fault = {
  cause: 'Redis killed',
  async strike({ site, random, signal }) {
    const held = await site.settled(signal);
    const since = now(site.qq);
    await site.redis.kill();
    await sleep(random.between(...REDIS_AWAY_MS), { signal });
    await site.redis.restart();
    await site.settled(signal);
    const takeovers = whoCameBack(site.qq, 'Redis killed', held, since);
    await sleep(site.installation.config.timings.leaseMs, { signal });
    return { killed: 1, takeovers, staleWrites: NO_STALE_WRITES, complaints: [] };
  },
};

export const freezeRedis: Fault = {
  cause: 'Redis frozen',
  async strike({ site, random, signal }) {
    const held = await site.settled(signal);
    const since = now(site.qq);
    site.redis.freeze();
    try {
      await sleep(random.between(REDIS_FREEZE_LEAST_MS, site.installation.config.timings.leaseMs / 2), { signal });
    } finally {
      site.redis.thaw();
    }
    await site.settled(signal);
    const takeovers = whoCameBack(site.qq, 'Redis frozen', held, since);
    await sleep(site.installation.config.timings.leaseMs, { signal });
    return { killed: 0, takeovers, staleWrites: NO_STALE_WRITES, complaints: [] };
  },
};
