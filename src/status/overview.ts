/** The whole installation at a glance: the status document, and what waits, in queues and for people. */
import { ownValue } from '../model.ts';
import type { Durability } from '../state/redis.ts';
import { type RedisFacts, readRedisFacts } from '../state/redis-facts.ts';
import type { StatusDocument } from './document.ts';
import { statusOf } from './read.ts';
import { type QueueCounts, readSnapshot, type Snapshot, type SnapshotSource } from './read-snapshot.ts';

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
}

/** For people: what is lost when the machine of Redis loses power. */
const DURABILITY = {
  always: 'fsync always',
  everysec: 'everysec',
  no: 'no fsync',
  none: 'none',
} as const satisfies Record<Durability, string>;
export const DURABILITIES = Object.values(DURABILITY);
type DurabilityInWords = (typeof DURABILITIES)[number];

/** @throws the errors of the client and the queues */
export async function readOverview(source: SnapshotSource, version: string): Promise<OverviewDocument> {
  const [snapshot, redis] = await Promise.all([readSnapshot(source), readRedisFacts(source.client)]);
  return overviewOf(snapshot, redis, version);
}

function overviewOf(snapshot: Snapshot, redis: RedisFacts, version: string): OverviewDocument {
  const backlogs = [...snapshot.backlogs.values()];
  const sum = (of: 'lanes' | 'outboxes' | 'deadLetters') => backlogs.reduce((total, one) => total + one[of], 0);
  const dead = backlogs.filter(({ deadLetters }) => deadLetters > 0);
  const oldest = backlogs.flatMap(({ oldestLaneAt }) => oldestLaneAt ?? []).reduce((a, b) => Math.min(a, b), Infinity);
  return {
    status: statusOf(snapshot),
    queues: snapshot.queues.map(queueOverview),
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
      durability: DURABILITY[redis.durability],
      usedMemoryShare: redis.maxBytes === null ? null : redis.usedBytes / redis.maxBytes,
    },
    version,
  };
}

function queueOverview({ name, counts, paused }: QueueCounts): QueueOverview {
  const count = (state: string) => ownValue(counts, state) ?? 0;
  return {
    name,
    active: count('active'),
    waiting: count('waiting') + count('prioritized'),
    delayed: count('delayed'),
    failed: count('failed'),
    paused,
  };
}
