import type { StatusDocument } from '../../status/document.ts';
import type { Notification } from '../alert.ts';

/** One place that notifications go to. */
export interface Sink {
  /** Stable over restarts, unique, and without a secret: what is still to be delivered is stored under it. */
  readonly name: string;
  /** Delivered also while Redis is away. */
  readonly worksWithoutRedis: boolean;
  /**
   * One attempt. May be called again with the same notification: its `id` tells the receiver so.
   *
   * @param options.status - as of the last look
   * @throws TransientError, or any other error, when it has to be tried again
   */
  send(
    notification: Notification,
    options: { readonly status: StatusDocument | null; readonly signal: AbortSignal },
  ): Promise<SinkOutcome>;
}

export type SinkOutcome =
  | { readonly kind: 'sent' }
  /** Nothing was sent, and nothing should be. */
  | { readonly kind: 'skipped'; readonly reason: string };

/** Bound of one attempt, ms. */
export const SEND_DEADLINE_MS = 10_000;
/** Of an answer only the status is wanted: a long one is a receipt all the same. */
export const RECEIPT = { enoughBytes: 4 * 1024 } as const;
