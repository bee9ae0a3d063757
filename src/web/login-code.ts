/**
 * Codes of links that log in: `http://127.0.0.1:8420/login?code=…`. A code is made by whoever knows the admin token, says
 * nothing about it, and is good once and for ten minutes; that it was used stands in Redis.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';

/** ms */
export const CODE_GOOD_FOR_MS = 600_000;

/** @param now - ms since the epoch */
export function makeLoginCode(token: string, now: number): string {
  const claim = `${(now + CODE_GOOD_FOR_MS).toString(36)}.${randomBytes(12).toString('base64url')}`;
  return `${claim}.${signatureOf(token, claim)}`;
}

/** Whether it was made with this token and is still good. That it was not used yet is another question. */
export function isLoginCode(code: string, token: string, now: number): boolean {
  const [, claim = '', ends = '', signature = ''] = /^(([a-z\d]{8,9})\.[\w-]{16})\.([\w-]{43})$/.exec(code) ?? [];
  if (!timingSafeEqual(digest(signature), digest(signatureOf(token, claim)))) return false;
  const leftMs = Number.parseInt(ends, 36) - now;
  return leftMs > 0 && leftMs <= CODE_GOOD_FOR_MS;
}

/** The address of the page that takes it. */
export function loginLink(url: string, code: string): string {
  return `${url}/login?code=${code}`;
}

function signatureOf(token: string, claim: string): string {
  return createHmac('sha256', token).update(`holdfast: login codes\n${claim}`).digest('base64url');
}

/** Equal lengths, as `timingSafeEqual` needs them. */
function digest(text: string): Buffer {
  return createHmac('sha256', 'compare').update(text).digest();
}
