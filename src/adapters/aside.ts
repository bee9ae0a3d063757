/** Records that belong to no conversation: what the platform says of itself, and what could not be understood. */
import type { InboundEvent, InboundKind } from '../model.ts';

/** Text of a frame kept aside because it made no sense, UTF-16 units. */
export const RAW_CUT = 64 * 1024;

/** A record without a conversation, such as a frame that made no sense. */
export function aside(
  kind: Exclude<InboundKind, 'message'>,
  text: string,
  raw: string,
  receivedAt: number,
  eventId: string | null = null,
  platformAt: number | null = null,
): InboundEvent {
  return {
    kind,
    eventId,
    conversation: null,
    sender: null,
    text,
    attachments: [],
    platformAt,
    receivedAt,
    reply: null,
    raw: kind === 'malformed' ? raw.slice(0, RAW_CUT) : raw,
  };
}
