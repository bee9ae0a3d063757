/**
 * What the API gives, as zod schemas: the OpenAPI document is made of them. Each is declared to be the type that the rest
 * of the program has for it; a test holds real answers against them, unknown keys included.
 */
import { z } from 'zod';
import type { DeadMessage } from '../state/dead-messages.ts';
import type { HistoryEntry } from '../state/history.ts';
import type { ConnectionStatus, StatusDocument, WorkerStatus } from '../status/document.ts';
import type { Readiness } from './readiness.ts';

const instant = z.iso.datetime().describe("ISO 8601, by Redis's clock.");
const ageMs = z.number().nullable().describe('ms; null where unknown.');
const count = z.int().min(0);

const connectionSchema = z
  .strictObject({
    id: z.string(),
    platform: z.string(),
    state: z.enum(['live', 'connecting', 'waiting', 'unowned', 'parked', 'paused']),
    since: instant.nullable(),
    reason: z.string().nullable().describe('Why it is not live, in words.'),
    owner: z.string().nullable().describe('The worker that holds it.'),
    fencingToken: z.number().nullable(),
    lastRoundTripAgeMs: ageMs,
    lastEventAgeMs: ageMs,
    nextAttemptAt: instant.nullable().describe('The running attempt’s deadline, the next attempt, sweep or probe.'),
    attempt: count.describe('Attempts since it was last live.'),
    route: z.string().nullable().describe('How its bytes travel.'),
    remark: z.string().nullable().describe('What somebody who looks at a working connection should know.'),
    counters: z.strictObject({
      events: count,
      duplicates: count,
      resumed: count,
      identified: count,
      gaps: count,
      takeovers: count,
      malformed: count,
      staleWrites: count,
    }),
  })
  .meta({ id: 'Connection' }) satisfies z.ZodType<ConnectionStatus>;

const workerSchema = z.strictObject({
  id: z.string(),
  roles: z.array(z.string()),
  connections: count,
  capacity: count,
  eventLoopLagMs: z.number(),
}) satisfies z.ZodType<WorkerStatus>;

export const statusSchema: z.ZodType<StatusDocument> = z
  .strictObject({
    at: instant,
    scheduler: z.strictObject({ lastSweepAgeMs: ageMs, worker: z.string().nullable() }),
    workers: z.array(workerSchema),
    connections: z.array(connectionSchema),
  })
  .meta({ id: 'Status', description: 'The document of `holdfast status --json`.' });

export const connectionsSchema: z.ZodType<readonly ConnectionStatus[]> = z.array(connectionSchema);

const historyEntrySchema = z.strictObject({
  at: instant,
  what: z.string(),
  token: z.number().nullable(),
  detail: z.string().nullable(),
}) satisfies z.ZodType<HistoryEntry>;

export const connectionWithHistorySchema: z.ZodType<ConnectionStatus & { readonly history: readonly HistoryEntry[] }> =
  z
    .strictObject({
      ...connectionSchema.shape,
      history: z.array(historyEntrySchema).describe('Newest first.'),
    })
    .meta({ id: 'ConnectionWithHistory' });

export const deadMessagesSchema: z.ZodType<readonly DeadMessage[]> = z.array(
  z
    .strictObject({
      id: z.string().describe('<connection>/<letter>'),
      connection: z.string(),
      at: instant,
      kind: z.enum(['turn', 'send']),
      outcome: z.enum(['rejected', 'agent-refused', 'too-late', 'unknown', 'crashed']),
      code: z.string(),
      reason: z.string(),
      text: z.string(),
      conversation: z.string(),
    })
    .meta({ id: 'DeadMessage' }),
);

export const askedSchema = z
  .strictObject({
    id: z.string(),
    asked: z.enum(['pause', 'resume', 'restart', 'handoff']),
    withinMs: z.int().describe('It takes effect within this, ms, while workers and a scheduler run.'),
  })
  .meta({ id: 'Asked' });

export const handoffBodySchema = z
  .strictObject({
    to: z.string().min(1).max(300).optional().describe('The worker that should have it, as status names it.'),
  })
  .nullish();

export const retriedSchema = z.strictObject({ id: z.string(), retried: z.literal(true) }).meta({ id: 'Retried' });

export const healthSchema = z.strictObject({ status: z.literal('ok') });

export const readinessSchema: z.ZodType<Readiness> = z
  .strictObject({
    ready: z.boolean(),
    reasons: z.array(z.string()).describe('Empty when ready.'),
    redisAnsweredInMs: z.number().nullable(),
    lastSweepAgeMs: ageMs,
    connections: z.strictObject({ live: count, wanted: count }).nullable(),
  })
  .meta({ id: 'Readiness' });
