/**
 * Wakes lanes: one BullMQ job per activation. The activation number is part of the job's id, because BullMQ ignores an
 * add under an id that is just finishing, and the lane would sleep until the sweep.
 */
import type { ConnectionId } from '../model.ts';
import type { Activation } from './ingest.ts';
import type { LaneJobData } from './queues.ts';

/** What of a BullMQ queue is needed here. */
export interface LaneQueue {
  addBulk(jobs: { name: string; data: LaneJobData; opts: { jobId: string } }[]): Promise<unknown>;
}

/** `lane`: inbound, queue `turns`; `out`: outbound, queue `deliveries`. */
export type LaneKind = 'lane' | 'out';

/** Safe to repeat: a job that exists is left as it is. */
export async function addLaneJobs(
  queue: LaneQueue,
  kind: LaneKind,
  connection: ConnectionId,
  activations: readonly Activation[],
): Promise<void> {
  if (activations.length === 0) return;
  await queue.addBulk(
    activations.map(({ lane, activation }) => ({
      name: kind === 'lane' ? 'turn' : 'delivery',
      data: { connectionId: connection, lane, activation },
      opts: { jobId: laneJobId(kind, { lane, activation }) },
    })),
  );
}

export function laneJobId(kind: LaneKind, { lane, activation }: Activation): string {
  return `${kind}-${lane}-${activation}`;
}
