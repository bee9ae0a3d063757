/**
 * Access tokens of one bot. A call gets the same token with a shrinking lifetime until the last `overlapMs`; then it
 * gets a new one, and the old one stays valid to its own end (wiki: develop/api-v2/access-token, read 2026-11-22).
 */
import { randomBytes } from 'node:crypto';

interface IssuedToken {
  readonly value: string;
  readonly expiresAt: number;
  revoked: boolean;
}

export class Tokens {
  readonly #issued: IssuedToken[] = [];
  readonly #lifetimeMs: number;
  readonly #overlapMs: number;

  constructor(lifetimeMs: number, overlapMs: number) {
    this.#lifetimeMs = lifetimeMs;
    this.#overlapMs = overlapMs;
  }

  /** @returns the token a call gets now; `expiresIn` in whole seconds, at least 1 */
  issue(now: number): { readonly value: string; readonly expiresIn: number; readonly fresh: boolean } {
    const newest = this.#issued.at(-1);
    if (newest !== undefined && !newest.revoked && newest.expiresAt - now > this.#overlapMs) {
      return { value: newest.value, expiresIn: secondsLeft(newest.expiresAt - now), fresh: false };
    }
    const value = randomBytes(24).toString('base64url');
    this.#issued.push({ value, expiresAt: now + this.#lifetimeMs, revoked: false });
    return { value, expiresIn: secondsLeft(this.#lifetimeMs), fresh: true };
  }

  accepts(value: string, now: number): boolean {
    return this.#issued.some((token) => token.value === value && !token.revoked && token.expiresAt > now);
  }

  revokeAll(): void {
    for (const token of this.#issued) token.revoked = true;
  }

  /** Every token ever given out, for tests that search logs and stores for them. */
  values(): string[] {
    return this.#issued.map((token) => token.value);
  }
}

function secondsLeft(ms: number): number {
  return Math.max(1, Math.floor(ms / 1000));
}
