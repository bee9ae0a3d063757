/** The faults that can stand at each point of the Telegram platform. */

import { FaultOrders } from '../fault-orders.ts';
import type { ApiRefusal } from './answers.ts';
import type { Journal } from './journal.ts';
import type { BatchFault } from './poll-desk.ts';

/**
 * What becomes of a call. `isApplied` says whether the platform does what was asked before its answer goes astray: a
 * send is then seen by people, and a poll has confirmed.
 */
export type CallFault =
  | { readonly name: 'hang'; readonly isApplied: boolean }
  | { readonly name: 'reset'; readonly isApplied: boolean }
  | { readonly name: 'html'; readonly status: number; readonly isApplied: boolean }
  | { readonly name: 'empty'; readonly status: number; readonly isApplied: boolean }
  | { readonly name: 'broken-json'; readonly isApplied: boolean }
  /** The API's own form, written by what stands before the server. */
  | { readonly name: 'gateway'; readonly refusal: ApiRefusal; readonly isApplied: boolean }
  | { readonly name: 'cut'; readonly isApplied: true }
  | { readonly name: 'drip'; readonly overMs: number; readonly isApplied: true }
  | { readonly name: 'refuse'; readonly refusal: ApiRefusal; readonly isApplied: false };

/** Which order type stands at which point. */
export interface FaultPoints {
  /** Every call, after its token was found good. */
  call: CallFault;
  /** A batch of updates on its way out. */
  batch: BatchFault;
}

/** What is known where a fault could strike. */
export interface Occasion {
  readonly botId: number;
  /** In lower case; undefined for a batch. */
  readonly method?: string;
  readonly chatId?: string;
}

export class FaultBook extends FaultOrders<FaultPoints, Occasion> {
  constructor(journal: Journal) {
    super((note) => journal.append({ kind: 'fault', ...note }));
  }
}
