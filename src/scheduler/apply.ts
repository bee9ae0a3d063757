/**
 * Carries a plan out. Each action is safe to repeat; one that fails is logged, and the next sweep decides anew.
 * Connections do not wait for one another: when a worker with hundreds of them dies, the last one would otherwise wait for
 * thousands of round trips.
 */
import type { Queue } from 'bullmq';
import type { Logger } from 'pino';
import { explain } from '../errors.ts';
import type { ConnectionId } from '../model.ts';
import { clearJob, ensureJob, takeJobBack } from '../state/connection-jobs.ts';
import { putBackUnlocked } from '../state/job-locks.ts';
import type { Keys } from '../state/keys.ts';
import { declareDead } from '../state/leases.ts';
import { deferProbe, unpark } from '../state/parking.ts';
import type { ConnectionJobData } from '../state/queues.ts';
import type { RedisClient } from '../state/redis.ts';
import { workerGone } from '../state/worker-gone.ts';
import { presenceName } from './observe.ts';
import type { Action } from './plan.ts';

export interface ApplyDeps {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly queue: Queue<ConnectionJobData>;
  readonly log: Logger;
}

/** Actions of one connection in order, since a later one may need the earlier one; connections beside one another. */
export async function apply(deps: ApplyDeps, actions: readonly Action[]): Promise<void> {
  const byConnection = new Map<ConnectionId, Action[]>();
  for (const action of actions) {
    const known = byConnection.get(action.id);
    if (known === undefined) byConnection.set(action.id, [action]);
    else known.push(action);
  }
  const tellGone = oncePerProcess(deps);
  await Promise.all([...byConnection.values()].map((own) => applyInOrder(deps, own, tellGone)));
}

async function applyInOrder(deps: ApplyDeps, actions: readonly Action[], tellGone: TellGone): Promise<void> {
  for (const action of actions) {
    try {
      await applyOne(deps, action, tellGone);
    } catch (error) {
      deps.log.warn(
        { event: 'action-failed', action: action.do, connection: action.id, reason: explain(error) },
        'an action of the sweep failed; the next sweep decides anew',
      );
    }
  }
}

type TellGone = (gone: { readonly worker: string; readonly incarnation: string | null }) => Promise<void>;

/** A process that held hundreds of connections is gone once: each telling makes the other workers renew all they hold. */
function oncePerProcess({ client, keys }: ApplyDeps): TellGone {
  const told = new Map<string, Promise<void>>();
  return (gone) => {
    const name = presenceName(gone.worker, gone.incarnation);
    const telling = told.get(name) ?? workerGone(client, keys, gone);
    told.set(name, telling);
    return telling;
  };
}

async function takeBack({ client, queue }: ApplyDeps, id: ConnectionId, lockToken: string | null) {
  if (lockToken !== null) return await takeJobBack(queue, id, lockToken);
  return await putBackUnlocked(client, queue, id);
}

async function applyOne(deps: ApplyDeps, action: Action, tellGone: TellGone): Promise<void> {
  const { client, keys, queue, log } = deps;
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
      if (await takeBack(deps, action.id, action.lockToken)) {
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
      if (action.processGone) await tellGone({ worker: action.owner, incarnation: action.incarnation });
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
