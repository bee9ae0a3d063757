/** Kills of those who hold no connection. What they were doing comes back by itself; users must not notice. */
import { NO_STALE_WRITES } from '../stale-writes.ts';
import type { Cause, Fault } from './fault.ts';

export const killScheduler = killOne('scheduler killed', 'scheduler');
export const killAgent = killOne('agent killed', 'agent');
export const killDelivery = killOne('delivery killed', 'delivery');

function killOne(cause: Cause, role: string): Fault {
  return {
    cause,
    async strike({ site, random, signal }) {
      const unit = random.pick(site.others.filter((one) => one.role === role));
      const killed = await unit.kill();
      await unit.start(signal);
      return { killed, takeovers: [], staleWrites: NO_STALE_WRITES, complaints: [] };
    },
  };
}
