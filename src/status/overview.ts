/** The whole installation at a glance: the status document, and what waits, in queues and for people. */
import { ownValue } from '../model.ts';
import { foreignSettings } from '../state/queue-settings.ts';
import type { Durability } from '../state/redis.ts';
import type { StatusDocument } from './document.ts';
import { type QueueCounts, readSnapshot, type Snapshot, type SnapshotSource } from './read-snapshot.ts';
import { statusOf } from './read-status.ts';

export interface OverviewDocument {
  readonly status: StatusDocument;
  readonly queues: readonly QueueOverview[];
  /** `byConnection` names only those that have some. */
  readonly deadLetters: { readonly total: number; readonly byConnection: Readonly<Record<string, number>> };
  /** Conversations that wait for the agent, and for their replies to be sent. */
  readonly backlog: {
    readonly lanes: number;
    readonly outboxes: number;
    readonly oldestLaneAgeMs: number | null;
  };
  readonly redis: {
    /** Always true: without Redis there is no overview. */
    readonly up: true;
    readonly durability: DurabilityInWords;
    /** 0 to 1 of its limit, or beyond; `null`: none is set. */
    readonly usedMemoryShare: number | null;
  };
  /** Of Holdfast. */
  readonly version: string;
}

export interface QueueOverview {
  readonly name: string;
  readonly active: number;
  readonly waiting: number;
  readonly delayed: number;
  readonly failed: number;
  readonly paused: boolean;
  /** What somebody else set in it, in words; none: nothing, as it should be. */
  readonly settings: readonly string[];
}

/** For people: what is lost when the machine of Redis loses power. */
const DURABILITY = {
  always: 'fsync always',
  everysec: 'everysec',
  no: 'no fsync',
  none: 'none',
} as const satisfies Record<Durability, string>;
/** `unknown`: its user may not ask. */
export const DURABILITIES = [...Object.values(DURABILITY), 'unknown'] as const;
type DurabilityInWords = (typeof DURABILITIES)[number];

/** @throws the errors of the client and the queues */
export async function readOverview(source: SnapshotSource, version: string): Promise<OverviewDocument> {
  return overviewOf(await readSnapshot(source), version);
}

function overviewOf(snapshot: Snapshot, version: string): OverviewDocument {
  const { redis } = snapshot;
  const backlogs = [...snapshot.backlogs.values()];
  const sum = (of: 'lanes' | 'outboxes' | 'deadLetters') => backlogs.reduce((total, one) => total + one[of], 0);
  const dead = backlogs.filter(({ deadLetters }) => deadLetters > 0);
  const oldest = backlogs
    .flatMap(({ oldestLanes }) => oldestLanes[0]?.at ?? [])
    .reduce((a, b) => Math.min(a, b), Infinity);
  return {
    status: statusOf(snapshot),
    queues: snapshot.jobs.map((jobs) => queueOverview(jobs, snapshot.queues)),
    deadLetters: {
      total: sum('deadLetters'),
      byConnection: Object.fromEntries(dead.map(({ id, deadLetters }) => [id, deadLetters])),
    },
    backlog: {
      lanes: sum('lanes'),
      outboxes: sum('outboxes'),
      oldestLaneAgeMs: oldest === Infinity ? null : Math.max(0, snapshot.moment.now - oldest),
    },
    redis: {
      up: true,
      durability: redis === null ? 'unknown' : DURABILITY[redis.durability],
      usedMemoryShare: redis === null || redis.maxBytes === null ? null : redis.usedBytes / redis.maxBytes,
    },
    version,
  };
}

function queueOverview({ name, counts }: QueueCounts, settings: Snapshot['queues']): QueueOverview {
  const found = settings.find((one) => one.name === name);
  const count = (state: string) => ownValue(counts, state) ?? 0;
  return {
    name,
    active: count('active'),
    waiting: count('waiting') + count('prioritized'),
    delayed: count('delayed'),
    failed: count('failed'),
    paused: found?.paused ?? false,
    settings: found === undefined ? [] : foreignSettings(found),
  };
}
