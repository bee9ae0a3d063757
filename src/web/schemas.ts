/**
 * What the API gives, as zod schemas: the OpenAPI document is made of them. Each is declared to be the type that the rest
 * of the program has for it; a test holds real answers against them, unknown keys included.
 */
import { z } from 'zod';
import type { DeadMessage } from '../state/dead-messages.ts';
import type { HistoryEntry } from '../state/history.ts';
import type { LoggedError, LoggedLine } from '../state/log-journal.ts';
import {
  type AgentStatus,
  CHAIN_STATES,
  type ChainStatus,
  type ConnectionChain,
  LINKS,
  type LinkStatus,
  TROUBLES,
  type Trouble,
} from '../status/chain.ts';
import type { ChainHealth } from '../status/chain-health.ts';
import type { ConnectionDetail } from '../status/connection-detail.ts';
import type { ConnectionInChain, ConnectionStatus, StatusDocument, WorkerStatus } from '../status/document.ts';
import { DURABILITIES, type OverviewDocument } from '../status/overview.ts';
import type { Tenure } from '../status/tenures.ts';
import {
  LONGEST_HOURS,
  MARK_KINDS,
  type Mark,
  type Span,
  TIMELINE_STATES,
  type TimelineDocument,
} from '../status/timeline.ts';
import { isBlank } from '../text/blank.ts';
import type { Readiness } from './readiness.ts';

const instant = z.iso.datetime().describe("ISO 8601, by Redis's clock.");
const ageMs = z.number().nullable().describe('ms; null where unknown.');
const count = z.int().min(0);

const connectionSchema = z.strictObject({
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
  platformAheadMs: z
    .number()
    .nullable()
    .describe("How far the platform's clock is ahead of that of the owner's host, ms; null: unknown."),
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
}) satisfies z.ZodType<ConnectionStatus>;

const workerSchema = z.strictObject({
  id: z.string(),
  roles: z.array(z.string()),
  connections: count,
  capacity: count,
  eventLoopLagMs: z.number(),
  configRefused: z
    .string()
    .nullable()
    .describe('Why its configuration as it is now was refused, the one before going on.'),
  restartNeeded: z.array(z.string()).describe('Keys of its configuration whose new values wait for its restart.'),
  notSharing: z.string().nullable().describe('Why it cannot share connections with other workers; null: it can.'),
}) satisfies z.ZodType<WorkerStatus>;

const linkSchema = z.strictObject({
  state: z.enum(CHAIN_STATES).describe('watch: worth a look; failing: somebody is not answered who should be.'),
  reason: z.string().nullable().describe('Why it is not ok, in words.'),
  advice: z.string().nullable().describe('What to do.'),
  since: instant.nullable(),
  until: instant.nullable().describe('When it goes on by itself, as far as known.'),
}) satisfies z.ZodType<LinkStatus>;

const connectionChainSchema = z.strictObject({
  ...linkSchema.shape,
  link: z.enum(LINKS).nullable().describe('The link that is broken.'),
}) satisfies z.ZodType<ConnectionChain>;

const connectionInChainSchema = z
  .strictObject({
    ...connectionSchema.shape,
    chain: connectionChainSchema.describe('What becomes of its messages: the worst on their way.'),
  })
  .meta({ id: 'Connection' }) satisfies z.ZodType<ConnectionInChain>;

const troubleSchema = z
  .strictObject({
    kind: z.enum(TROUBLES),
    link: z.enum(LINKS),
    state: z.enum(['watch', 'failing']),
    subject: z.string().describe('A connection, an agent, a queue, a role, Redis or scheduler.'),
    connection: z.string().nullable().describe('The one that it is about; null: all.'),
    reason: z.string(),
    advice: z.string(),
    since: instant.nullable(),
    until: instant.nullable(),
  })
  .meta({ id: 'Trouble' }) satisfies z.ZodType<Trouble>;

const chainSchema = z
  .strictObject({
    state: z.enum(CHAIN_STATES),
    links: z.strictObject({
      received: linkSchema,
      stored: linkSchema,
      turn: linkSchema,
      answer: linkSchema,
      sent: linkSchema,
    }),
    troubles: z.array(troubleSchema).describe('Worst first.'),
    more: count.describe('Troubles beyond those.'),
  })
  .meta({ id: 'Chain', description: 'Whether people are answered.' }) satisfies z.ZodType<ChainStatus>;

const agentSchema = z
  .strictObject({
    name: z.string(),
    kind: z.string().nullable(),
    workers: count.describe('Living processes that ask it.'),
    running: count.describe('Turns that it works on.'),
    places: count.describe('Turns that it may be given at a time.'),
    waiting: count.describe('Conversations that wait for their turn.'),
    oldestSignAgeMs: ageMs.describe('Of the turns that run, the longest without a sign of life.'),
    lastAnswerAgeMs: ageMs,
    failing: z
      .strictObject({
        kind: z.enum(['away', 'refuses', 'fails']),
        reason: z.string(),
        status: z.int().nullable(),
        count,
        since: instant,
      })
      .nullable()
      .describe('What comes instead of answers.'),
    connected: z.boolean().nullable().describe('Of kinds that have a connection of their own.'),
  })
  .meta({ id: 'Agent' }) satisfies z.ZodType<AgentStatus>;

/** Of `GET /api/health/chain`, also while Redis does not answer. */
export const chainHealthSchema: z.ZodType<ChainHealth> = z
  .strictObject({ at: instant, ...chainSchema.shape, agents: z.array(agentSchema) })
  .meta({ id: 'ChainHealth' });

export const statusSchema: z.ZodType<StatusDocument> = z
  .strictObject({
    at: instant,
    scheduler: z.strictObject({ lastSweepAgeMs: ageMs, worker: z.string().nullable() }),
    workers: z.array(workerSchema),
    connections: z.array(connectionInChainSchema),
    agents: z.array(agentSchema),
    chain: chainSchema,
  })
  .meta({ id: 'Status', description: 'The document of `holdfast status --json`.' });

export const connectionsSchema: z.ZodType<readonly ConnectionInChain[]> = z.array(connectionInChainSchema);

const historyEntrySchema = z.strictObject({
  at: instant,
  what: z.string(),
  token: z.number().nullable(),
  detail: z.string().nullable(),
}) satisfies z.ZodType<HistoryEntry>;

const tenureSchema = z.strictObject({
  worker: z.string(),
  host: z.string(),
  token: z.number().describe('Its fencing token.'),
  startedAt: instant,
  endedAt: instant.nullable().describe('null while it lasts.'),
  how: z.enum(['resumed', 'identified']).nullable().describe('How it first became live; null: it never did.'),
  endedBecause: z.string().nullable(),
  events: count.nullable().describe('Messages stored in it; null where unknown.'),
}) satisfies z.ZodType<Tenure>;

const lineSchema = z.strictObject({
  at: instant.describe('ISO 8601, by the clock of the host that wrote it.'),
  level: z.string(),
  event: z.string().nullable(),
  text: z.string(),
}) satisfies z.ZodType<LoggedLine>;

const errorSchema = z.strictObject({
  at: instant.describe('ISO 8601, by the clock of the host that wrote it; when it last happened.'),
  code: z.string().nullable(),
  message: z.string(),
  stack: z.string(),
}) satisfies z.ZodType<LoggedError>;

export const connectionDetailSchema: z.ZodType<ConnectionDetail> = z
  .strictObject({
    ...connectionInChainSchema.shape,
    history: z.array(historyEntrySchema).describe('Newest first.'),
    tenures: z.array(tenureSchema).describe('Newest first.'),
    log: z.array(lineSchema).describe('The last warnings, errors and changes of state, newest first.'),
    errors: z.array(errorSchema).describe('The last distinct errors, newest first.'),
  })
  .meta({ id: 'ConnectionDetail' });

export const deadMessagesSchema: z.ZodType<readonly DeadMessage[]> = z.array(
  z
    .strictObject({
      id: z.string().describe('<connection>/<letter>'),
      connection: z.string(),
      at: instant,
      kind: z.enum(['turn', 'send', 'event']),
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

export const pushSchema = z
  .strictObject({
    connection: z.string().min(1).max(64),
    conversation: z.string().min(1).max(300).describe('As the adapter names it: `chat:4711`, `c2c:OPENID`.'),
    text: z
      .string()
      .max(20_000)
      .refine((text) => !isBlank(text), 'is blank')
      .describe('Markdown where the platform has markup; divided where it is too long for one message.'),
  })
  .meta({ id: 'Push' });

export const pushedSchema = z
  .strictObject({
    id: z.string(),
    repeated: z.boolean().describe('A message with this key was taken within the last 7 days; nothing was done.'),
  })
  .meta({ id: 'Pushed' });

export const retriedSchema = z.strictObject({ id: z.string(), retried: z.literal(true) }).meta({ id: 'Retried' });

export const acceptedSchema = z
  .strictObject({ accepted: z.string().nullable().describe('What was missing, in words; null: nothing was.') })
  .meta({ id: 'Accepted' });

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

export const overviewSchema: z.ZodType<OverviewDocument> = z
  .strictObject({
    status: statusSchema,
    queues: z.array(
      z.strictObject({
        name: z.string(),
        active: count,
        waiting: count,
        delayed: count,
        failed: count,
        paused: z.boolean(),
        settings: z.array(z.string()).describe('What somebody else set in it; none: as it should be.'),
      }),
    ),
    deadLetters: z.strictObject({
      total: count,
      byConnection: z.record(z.string(), count).describe('Those that have some.'),
    }),
    backlog: z.strictObject({
      lanes: count.describe('Conversations that wait for the agent, or are with it.'),
      outboxes: count.describe('Conversations with parts that are not sent yet.'),
      oldestLaneAgeMs: ageMs,
    }),
    redis: z.strictObject({
      up: z.literal(true),
      durability: z.enum(DURABILITIES).describe('When what Redis took is on disk.'),
      usedMemoryShare: z.number().min(0).nullable().describe('Of its limit; null when none is set.'),
    }),
    version: z.string(),
  })
  .meta({ id: 'Overview' });

const spanSchema = z.strictObject({
  from: instant,
  to: instant,
  state: z.enum(TIMELINE_STATES),
}) satisfies z.ZodType<Span>;

const markSchema = z.strictObject({
  at: instant,
  kind: z.enum(MARK_KINDS),
  text: z.string(),
}) satisfies z.ZodType<Mark>;

export const timelineSchema: z.ZodType<TimelineDocument> = z
  .strictObject({
    at: instant,
    fromAt: instant,
    stepMs: z.int().min(1),
    connections: z.array(
      z.strictObject({
        id: z.string(),
        spans: z.array(spanSchema).describe('Oldest first, without holes; `unknown` where nobody watched.'),
        marks: z.array(markSchema).describe('Oldest first.'),
        messagesPerMinute: z.array(count.nullable()).describe('From `fromAt` on; null where nobody counted.'),
      }),
    ),
    deploys: z
      .array(z.strictObject({ at: instant, worker: z.string(), what: z.enum(['joined', 'drained', 'died']) }))
      .describe('Oldest first.'),
  })
  .meta({ id: 'Timeline' });

export const timelineQuerySchema = z.strictObject({
  hours: z.coerce.number().int().min(1).max(LONGEST_HOURS).default(LONGEST_HOURS),
  connection: z.string().min(1).max(64).optional().describe('Only this one.'),
});
