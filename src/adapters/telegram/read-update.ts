/** One update, read so that whatever is wrong with it stays its own trouble. */
import type { InboundEvent } from '../../model.ts';
import { DEEPEST, numberAt } from '../json-scan.ts';
import type { ReceivedUpdate } from './batch.ts';
import { callbackIdOf, type InboundOptions, toInboundEvent, unreadableUpdate } from './inbound.ts';
import { update } from './protocol.ts';

export interface ReadUpdate {
  /** `null`: it has none. */
  readonly id: number | null;
  readonly event: InboundEvent;
  /** A pressed button whose user waits. */
  readonly callbackId: string | null;
}

/** Never throws: what cannot be read, for whatever cause, becomes a record of kind `malformed` that is passed over. */
export function readUpdate(item: ReceivedUpdate, options: InboundOptions, receivedAt: number): ReadUpdate {
  try {
    if (item.tooDeep) throw new RangeError(`it nests deeper than ${DEEPEST}`);
    const one = update.parse(item.value);
    return { id: one.update_id, event: toInboundEvent(one, options, receivedAt), callbackId: callbackIdOf(one) };
  } catch (error) {
    const id = numberAt(item.raw(), 'update_id');
    return { id, event: unreadableUpdate(error, id, item.raw(), receivedAt), callbackId: null };
  }
}
