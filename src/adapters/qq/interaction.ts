/**
 * Buttons and quick menus want an answer at once, or the user looks at a spinner; what the agent makes of it comes later.
 *
 * @see QQ bot wiki, api-v2, interaction events (read 2026-11-22): only types 11 and 12, only once
 */
import { z } from 'zod';
import type { Dispatch } from './protocol.ts';

const interactionSchema = z.looseObject({ id: z.string().min(1), type: z.number() });

/** Types whose user waits: 11 message button, 12 quick menu. */
const WAITING_TYPES: readonly number[] = [11, 12];

/** @returns the id to acknowledge, or `null` when nobody waits */
export function interactionToAcknowledge(dispatch: Dispatch): string | null {
  if (dispatch.t !== 'INTERACTION_CREATE') return null;
  const read = interactionSchema.safeParse(dispatch.d);
  return read.success && WAITING_TYPES.includes(read.data.type) ? read.data.id : null;
}
