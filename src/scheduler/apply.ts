/** Carries a plan out. Each action is safe to repeat; one that fails is logged, and the next sweep decides anew. */
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import { clearJob, ensureJob, takeJobBack } from '../state/connection-jobs.ts';
import type { Keys } from '../state/keys.ts';
import { declareDead } from '../state/leases.ts';
import { deferProbe, unpark } from '../state/parking.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import { workerGone } from '../state/worker-gone.ts';
import type { Action } from './plan.ts';

export interface ApplyDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  readonly log: Logger;
}

/** In order, since a later action of the same connection may need the earlier one. */
export async function apply(deps: ApplyDeps, actions: readonly Action[]): Promise<void> {
  for (const action of actions) {
    try {
      await applyOne(deps, action);
    } catch (error) {
      deps.log.warn(
        { event: 'action-failed', action: action.do, connection: action.id, reason: explain(error) },
        'an action of the sweep failed; the next sweep decides anew',
      );
    }
  }
}

async function applyOne({ client, keys, queue, log }: ApplyDeps, action: Action): Promise<void> {
  const note = (message: string, more: object = {}) =>
    log.info({ event: action.do, connection: action.id, ...more }, message);
  switch (action.do) {
    case 'ensure-job':
      await ensureJob(queue, action.id);
      note('connection job added', { reason: action.because });
      return;
    case 'clear-job':
      await clearJob(queue, action.id);
      note('connection job removed', { reason: action.because });
      return;
    case 'take-job-back':
      if (await takeJobBack(queue, action.id, action.lockToken)) {
        note('connection job taken back', { reason: action.because });
      }
      return;
    case 'declare-dead': {
      if (!(await declareDead(client, keys, action.id, action.token, action.because))) return;
      log.warn(
        {
          event: action.do,
          connection: action.id,
          worker: action.owner,
          fencingToken: action.token,
          reason: action.because,
        },
        'holder declared dead',
      );
      if (action.processGone) {
        await workerGone(client, keys, { worker: action.owner, incarnation: action.incarnation });
      }
      if (action.lockToken !== null) await takeJobBack(queue, action.id, action.lockToken);
      return;
    }
    case 'unpark':
      await unpark(client, keys, action.id);
      note('connection is no longer parked', { reason: action.because });
      return;
    case 'probe':
      await deferProbe(client, keys, action.id, action.probeAt);
      await ensureJob(queue, action.id);
      note('parked connection is probed');
      return;
    default:
      return action satisfies never;
  }
}
