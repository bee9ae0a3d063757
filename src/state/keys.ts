/**
 * The only file that spells a Redis key. All keys of one connection share the hash tag `{id}`, so that one script may
 * touch them in Redis Cluster and connections spread over its nodes. BullMQ's own keys live under `<prefix>:bull`.
 */
import { createHash } from 'node:crypto';
import type { ConnectionId, WorkerId } from '../model.ts';

export type Keys = ReturnType<typeof createKeys>;

/** @param prefix - `hf` unless several installations share one Redis; tests use one each */
export function createKeys(prefix: string) {
  return {
    prefix,
    /** Prefix handed to BullMQ: one hash tag for all its queues, as its scripts need. */
    bull: `{${prefix}:bull}`,
    /** Keys of a BullMQ queue that are looked at without BullMQ. */
    queue: (name: string) => new QueueKeys(`{${prefix}:bull}:${name}:`),
    /** Stream, capped: settings of queues that somebody else had written, and that were put right; see queue-settings.ts. */
    queueLog: `${prefix}:queue-log`,
    /** String: a name the data got when they began; another one, or none, means that Redis lost them. */
    dataName: `${prefix}:data-name`,
    /** Hash: that Redis has less than was there, until somebody accepts it; see data-loss.ts. */
    dataLoss: `${prefix}:data-loss`,
    /** String: when that was accepted last (Redis ms). */
    dataAccepted: `${prefix}:data-accepted`,
    /** Set of all desired connection ids. */
    connections: `${prefix}:connections`,
    /** Set of the ids of connections that were added at run time. */
    runtimeConnections: `${prefix}:runtime-connections`,
    /** Sorted set: worker id → last seen, Redis ms. */
    workers: `${prefix}:workers`,
    /** Hash: what a worker says of itself. */
    worker: (id: WorkerId) => `${prefix}:worker:${id}`,
    /** Channel a worker stays subscribed to while it lives; wishes are announced there. */
    presence: (id: WorkerId) => `${prefix}:presence:${id}`,
    /** Hash: last sweep of any scheduler. */
    scheduler: `${prefix}:scheduler`,
    /** Stream, capped: times (from, to: Redis ms) in which no scheduler swept. */
    sweepGaps: `${prefix}:sweep-gaps`,
    /** Stream, capped: workers that joined, drained or died. */
    workerLog: `${prefix}:worker-log`,
    /** Hash: how long things took, as counts per bucket, summed over all processes; see measurements.ts. */
    latencies: `${prefix}:latencies`,
    /** Hash: [platform, account, name] → limits of the budget (both JSON). */
    budgets: `${prefix}:budgets`,
    /** String with expiry: a session of a browser that was begun and not ended. Under a digest: the id opens the door. */
    webSession: (id: string) => `${prefix}:web-session:${digest(id)}`,
    /** String with expiry: a login code that was used. */
    loginCode: (code: string) => `${prefix}:login-code:${digest(code)}`,
    alerts: {
      /** String with expiry: the process that judges and delivers alerts. */
      lease: `${prefix}:{alerts}:lease`,
      /** String: JSON of what the judge remembers. */
      memory: `${prefix}:{alerts}:memory`,
      /** Hash: `<notification>/<sink>` → JSON of a notification that is still to be delivered there. */
      deliveries: `${prefix}:{alerts}:deliveries`,
    },
    /** Sorted set: permits of a shared budget (`identify`, …) of one platform account → taken at (Redis ms). */
    budget: (platform: string, account: string, name: string) => `${prefix}:{budget:${platform}:${account}}:${name}`,
    connection: (id: ConnectionId) => new ConnectionKeys(prefix, id),
  };
}

/** As BullMQ spells them. */
class QueueKeys {
  readonly #start: string;

  constructor(start: string) {
    this.#start = start;
  }

  /** Hash: paused, max and duration (rate limit), concurrency; beside them what BullMQ notes for itself. */
  get meta() {
    return `${this.#start}meta`;
  }

  /** String with expiry: jobs taken within the window of the rate limit. */
  get limiter() {
    return `${this.#start}limiter`;
  }

  /** List: where older releases of BullMQ keep the jobs of a paused queue. */
  get paused() {
    return `${this.#start}paused`;
  }

  /** Sorted set: job schedulers, which add jobs by themselves. */
  get schedulers() {
    return `${this.#start}repeat`;
  }
}

/**
 * All keys of one connection. Spelled only when asked for: this is made anew for nearly every command, thousands of times
 * a second, and each of them wants one or a few of the keys.
 */
export class ConnectionKeys {
  readonly #start: string;

  constructor(prefix: string, id: ConnectionId) {
    this.#start = `${prefix}:{${id}}:`;
  }

  /** String: JSON of the desired record. */
  get desired() {
    return this.#at('desired');
  }

  /** Hash: the operator's wishes: paused, restart (a counter), target. */
  get wishes() {
    return this.#at('wishes');
  }

  /** Hash: why and since when a person is needed. */
  get parked() {
    return this.#at('parked');
  }

  /** Hash: token, owner, until (Redis ms), jobToken. Never deleted: the token must not restart. */
  get lease() {
    return this.#at('lease');
  }

  /** Hash: evidence of the holder, stamped with Redis time. */
  get heartbeat() {
    return this.#at('heartbeat');
  }

  /** Hash: cursor (JSON text), bytes pending in lanes. */
  get cursor() {
    return this.#at('cursor');
  }

  get counters() {
    return this.#at('counters');
  }

  /** Stream, capped: tenures and state changes. */
  get history() {
    return this.#at('history');
  }

  /** String: a ring of minutes, see minutes.ts. */
  get minutes() {
    return this.#at('minutes');
  }

  /** Stream, capped: the last log lines about it, see log-journal.ts. */
  get log() {
    return this.#at('log');
  }

  /** Hash, capped: what makes it the same error → the error as it last happened (JSON). */
  get errors() {
    return this.#at('errors');
  }

  /** Sorted set: the same names → when (ms, by the clock of its host). */
  get errorsAt() {
    return this.#at('errors-at');
  }

  /** Stream, capped: events without a turn (gap, unknown, malformed, system). */
  get records() {
    return this.#at('records');
  }

  /**
   * Hash of a connection whose reading was dangerous: position, token, open of the event that was read last; `deaths` and
   * `aside` per position; `poison`: some were set aside. After a death it is kept for a day.
   */
  get reading() {
    return this.#at('reading');
  }

  /** Hash: restarts after bugs: count, notBefore. */
  get restarts() {
    return this.#at('restarts');
  }

  /** Hash, short-lived: worker → why it can't hold the connection. */
  get unfit() {
    return this.#at('unfit');
  }

  /** Hash: host → until when (Redis ms) and why the platform refuses this host. */
  get unfitHosts() {
    return this.#at('unfit-hosts');
  }

  /** Set of event ids of one dedupe window; a window ends by expiry. */
  get seen() {
    return (window: number) => this.#at(`seen:${window}`);
  }

  /** Sorted set: lanes with undelivered inbound → activated at (Redis ms). */
  get activeLanes() {
    return this.#at('lanes');
  }

  /** Sorted set: outbound lanes with unsent parts → activated at (Redis ms). */
  get activeOutboxes() {
    return this.#at('outboxes');
  }

  /** List: inbound messages of one conversation, oldest first. */
  get lane() {
    return (lane: string) => this.#at(`lane:${lane}`);
  }

  /** Hash: activation, turn token, frozen turn. */
  get laneState() {
    return (lane: string) => this.#at(`lane:${lane}:state`);
  }

  /** List, capped: what was said lately, for agents that keep no session. */
  get laneHistory() {
    return (lane: string) => this.#at(`lane:${lane}:history`);
  }

  /** List: unsent parts of one conversation, oldest first. */
  get outbox() {
    return (lane: string) => this.#at(`outbox:${lane}`);
  }

  /** Hash: activation, delivery token, state of the head part. */
  get outboxState() {
    return (lane: string) => this.#at(`outbox:${lane}:state`);
  }

  /** String: number of reply parts allotted so far for one inbound message. */
  get replies() {
    return (replyKey: string) => this.#at(`replies:${digest(replyKey)}`);
  }

  /** Stream: what could not be answered or sent, with its text. */
  get deadLetters() {
    return this.#at('dead');
  }

  /** List: instants (Redis ms) of the sends in the current window of a send bucket, oldest first. */
  get bucket() {
    return (name: string) => this.#at(`bucket:${digest(name)}`);
  }

  /** Sorted set: lanes waiting for the bucket → their deadline (Redis ms). */
  get bucketWaiting() {
    return (name: string) => this.#at(`bucket:${digest(name)}:waiting`);
  }

  /** Sorted set: lanes waiting for the bucket → when they were told to ask again (Redis ms). */
  get bucketDue() {
    return (name: string) => this.#at(`bucket:${digest(name)}:due`);
  }

  /** String with expiry: the platform asked for a pause of this bucket. */
  get bucketPause() {
    return (name: string) => this.#at(`bucket:${digest(name)}:pause`);
  }

  /** String with expiry: the dead letter of a send that waits for the platform's audit, or a verdict that came sooner. */
  get audit() {
    return (auditId: string) => this.#at(`audit:${digest(auditId)}`);
  }

  /** Sorted set: conversations that were refused lately, while none was served, → until when that counts (Redis ms). */
  get bucketRefusals() {
    return (name: string) => this.#at(`bucket:${digest(name)}:refusals`);
  }

  #at(name: string): string {
    return this.#start + name;
  }
}

/** Names a conversation's lane: unique over connections, safe as a BullMQ job id and of fixed length. */
export function laneId(connection: ConnectionId, conversation: string): string {
  return digest(`${connection}\u0000${conversation}`);
}

/** Asked for several times per message, and of few texts at a time: about 2 MiB at most. */
const DIGESTS_REMEMBERED = 10_000;
const digests = new Map<string, string>();

function digest(text: string): string {
  const known = digests.get(text);
  if (known !== undefined) return known;
  const made = createHash('sha256').update(text).digest('hex').slice(0, 24);
  if (digests.size >= DIGESTS_REMEMBERED) digests.clear();
  digests.set(text, made);
  return made;
}
