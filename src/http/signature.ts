/** How our calls to somebody else's URL are signed, so that the receiver knows that they are ours, whole and recent. */
import { createHmac } from 'node:crypto';

/**
 * Headers for a signed POST: `X-Holdfast-Timestamp` (seconds since the epoch) and `X-Holdfast-Signature`, `sha256=` and the
 * HMAC-SHA-256, in hex, of the timestamp, a dot and the body.
 *
 * @param now - wall clock, ms
 */
export function signatureHeaders(secret: string, body: string, now: number): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const digest = createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex');
  return { 'x-holdfast-timestamp': timestamp, 'x-holdfast-signature': `sha256=${digest}` };
}
