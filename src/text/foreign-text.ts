/**
 * The one way for text that somebody else chose (a platform, a person, an agent, a URL, Redis) into errors, reasons, logs
 * and pages: cut first, then redacted, so that neither its length nor its form costs more than a bounded moment.
 */
import { bounded, startOf, wellFormed } from './bounded.ts';
import { printable } from './printable.ts';
import { redact } from './redact.ts';

/** A reason that people read, UTF-16 units. */
export const REASON_CHARS = 500;

/** At most `max` UTF-16 units (and a mark where it was longer), without secrets; its lines stay. */
export function foreignText(text: string, max: number): string {
  if (text.length <= max) return redact(wellFormed(text));
  // What redaction takes away at the start must not let text in that was cut in the middle of a secret.
  return `${wellFormed(startOf(redact(startOf(text, max), { cut: true }), max))}… (${text.length} characters)`;
}

/** For a reason that is stored and shown: one line, bounded, without secrets or anything that a terminal would obey. */
export function asReason(text: string): string {
  const reason = printable(foreignText(text, REASON_CHARS));
  // Escapes are longer than what they stand for.
  return bounded(reason, 2 * REASON_CHARS);
}
