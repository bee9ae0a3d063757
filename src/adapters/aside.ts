/** Records that belong to no conversation: what the platform says of itself, and what could not be understood. */
import { z } from 'zod';
import { explain } from '../errors.ts';
import type { InboundEvent, InboundKind } from '../model.ts';

/** Text of a frame kept aside because it made no sense, UTF-16 units. */
export const RAW_CUT = 64 * 1024;
/** Of the text that says what it is: a name that came from the platform may be long. */
const TEXT_CUT = 2_000;

/** Why an event could not be read: the fields at fault, or what was thrown. @param whole - names the event itself */
export function unreadable(error: unknown, whole: string): string {
  if (!(error instanceof z.ZodError)) return `could not be read: ${explain(error)}`;
  const fields = error.issues.slice(0, 10).map(({ path }) => path.slice(0, 8).join('.') || whole);
  return `with unusable fields: ${fields.join(', ')}`;
}

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
    text: kind === 'edit' ? text : text.slice(0, TEXT_CUT),
    attachments: [],
    platformAt,
    receivedAt,
    reply: null,
    raw: kind === 'malformed' ? raw.slice(0, RAW_CUT) : raw,
  };
}
