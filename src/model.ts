/**
 * The nouns that every part of Holdfast shares. Nothing here does I/O and nothing here knows a platform, Redis or BullMQ.
 */

declare const brand: unique symbol;
type Branded<T, Name extends string> = T & { readonly [brand]: Name };

/**
 * What `record` itself holds under a name that came from outside: `constructor` finds nothing in an empty one. Every
 * lookup by a foreign name goes through here or through a Map; a test reads all of `src` for others.
 */
export function ownValue<T>(record: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(record, name) ? record[name] : undefined;
}

/** Names one logical link of one bot account to a platform; matches `^[a-z][a-z0-9-]{0,62}$`. */
export type ConnectionId = Branded<string, 'ConnectionId'>;
/** `<host>/<pid>-<random>`: one worker process during one life. */
export type WorkerId = Branded<string, 'WorkerId'>;
/** Grows with each grant of a connection's lease; every write of a holder carries it. */
export type FencingToken = Branded<number, 'FencingToken'>;

const CONNECTION_ID = /^[a-z][a-z0-9-]{0,62}$/;

/** @throws RangeError when `text` cannot be a connection id (BullMQ refuses `:` and bare integers in job ids). */
export function connectionId(text: string): ConnectionId {
  if (!CONNECTION_ID.test(text)) {
    throw new RangeError(`connection id "${text}" must match ${CONNECTION_ID.source}`);
  }
  return text as ConnectionId;
}

export type JsonValue =
  | string
  | number
  | boolean
  | null
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue | undefined };

/**
 * How far inbound has been persisted: whatever the adapter needs to go on elsewhere. The core stores and returns it
 * unread; it must be JSON and must hold no secret.
 */
export type Cursor = JsonValue;

/**
 * What a reply to an inbound message needs. `key` names the message at the platform: ordinals of reply parts are
 * counted per key, so that a retried part always carries the same idempotency key.
 */
export interface ReplyHandle {
  readonly key: string;
  /**
   * After this the platform is expected to refuse a reply, ms since the epoch; `null`: no window. By the clock of the worker
   * that received the message, and by Redis's once it is stored.
   */
  readonly deadlineAt: number | null;
  /** Replies the platform takes for this message; `null`: not limited. */
  readonly quota: number | null;
  /** Read only by the adapter's sender: where to send. */
  readonly address: JsonValue;
}

/**
 * - `message`: goes to its conversation's lane and on to the agent
 * - `identified`, `resumed`: the platform confirmed a session (counted, kept in the record stream)
 * - `gap`: events were certainly or possibly lost by the platform; `text` says why
 * - `malformed`: a frame that could not be understood, kept aside whole (or cut at 64 KiB)
 * - `edit`: a message was changed after it was sent; kept aside, the agent has answered what it saw
 * - `system`, `unknown`: platform events without a conversation turn; kept aside
 */
export type InboundKind = 'message' | 'identified' | 'resumed' | 'gap' | 'malformed' | 'edit' | 'system' | 'unknown';

export interface InboundEvent {
  readonly kind: InboundKind;
  /** Stable over redelivery: the dedupe key. `null` for records of our own (gap, malformed), never deduplicated. */
  readonly eventId: string | null;
  /** Names the chat within the connection, such as `c2c:OPENID`; `null` unless `kind` is `message`. */
  readonly conversation: string | null;
  /** Several people write in the conversation: none of them may have all of its room. */
  readonly group?: true;
  readonly sender: { readonly id: string; readonly name: string | null } | null;
  readonly text: string;
  readonly attachments: readonly Attachment[];
  /** Platform time of the event, ms since the epoch; `null` when absent or unreadable. */
  readonly platformAt: number | null;
  /** Wall clock of the worker when the frame arrived, ms since the epoch. */
  readonly receivedAt: number;
  readonly reply: ReplyHandle | null;
  /** What became of a send that waited for the platform's audit. */
  readonly audit?: AuditVerdict;
  /** The payload as it came, whole. */
  readonly raw: string;
}

export interface AuditVerdict {
  /** As the answer to the send named it. */
  readonly id: string;
  readonly passed: boolean;
}

export interface Attachment {
  readonly contentType: string;
  readonly url: string;
  readonly name: string | null;
}

/** One send to the platform: a reply is split into ordered parts, each with its own state in the outbox. */
export interface OutboundPart {
  /** Unique; `<turn id>/<index>` for replies of a turn. */
  readonly id: string;
  readonly conversation: string;
  readonly text: string;
  readonly reply: ReplyHandle;
  /** 1-based, counted over all parts of all replies to `reply.key`: QQ's `msg_seq`. */
  readonly ordinal: number;
  /** `passive` uses the reply window and quota; `active` is a message of its own, without idempotency key. */
  readonly mode: 'passive' | 'active';
}

/** What became of one send. Decided by the adapter alone; the delivery worker only reads `kind`. */
export type SendOutcome =
  | { readonly kind: 'sent'; readonly platformId: string | null }
  /** The platform knows this idempotency key: an earlier try was delivered. */
  | { readonly kind: 'duplicate' }
  /** Nothing of it could be seen, so there was nothing to say, and it was not sent. */
  | { readonly kind: 'blank' }
  /** Taken by the platform and waiting for its audit: not to be sent again. */
  | { readonly kind: 'pending-audit'; readonly auditId: string | null }
  /** Certainly not delivered, or safe to repeat under the same idempotency key. `afterMs: null`: our own backoff. */
  | {
      readonly kind: 'retry';
      readonly afterMs: number | null;
      readonly code: string;
      readonly reason: string;
      /** The bytes may have arrived: repeating is safe, sending it as a message of its own would not be. */
      readonly maybeDelivered?: boolean;
    }
  /** As `retry`, but the conversation must wait; with `afterMs` as told, also for hours. */
  | {
      readonly kind: 'rate-limited';
      readonly afterMs: number | null;
      /** Waits as long, with all that draws from it; `null`: the conversation alone. */
      readonly bucket: string | null;
      /** Waits, too, when other conversations that draw from it are refused at the same time. */
      readonly wider?: string | null;
      readonly code: string;
      readonly reason: string;
    }
  /** The reply window or quota is over; a message of its own may still go out. */
  | { readonly kind: 'too-late'; readonly code: string; readonly reason: string }
  | { readonly kind: 'too-long'; readonly code: string; readonly reason: string }
  /** Never to be tried again as it is. */
  | {
      readonly kind: 'rejected';
      readonly code: string;
      readonly reason: string;
      /** The text was refused, not its place: people can be told. `instead`: the same in a form that may pass. */
      readonly textRefused?: { readonly instead: string | null };
    }
  /** The bytes went out, no answer came, and no idempotency key protects a repeat. */
  | { readonly kind: 'unknown'; readonly code: string; readonly reason: string };

/**
 * Why a connection needed another attempt.
 *
 * - `dial`: it could not be opened: name, route, TLS, handshake, access token, discovery
 * - `closed`: the platform closed it, or the network did
 * - `silent`: no answer, or no sign of life, in time
 * - `session`: the platform refused the session, or to open one
 * - `asked`: planned: the platform asked for it, or an old session was replaced
 * - `refused`: the platform answered with a no
 * - `rival`: somebody else receives for the same account
 * - `limit`: a budget or the platform's own limit
 * - `storage`: what comes can not be stored at the moment
 * - `other`: none of these, or the adapter did not say
 */
export const RECONNECT_CAUSES = [
  'dial',
  'closed',
  'silent',
  'session',
  'asked',
  'refused',
  'rival',
  'limit',
  'storage',
  'other',
] as const;
export type ReconnectCause = (typeof RECONNECT_CAUSES)[number];
