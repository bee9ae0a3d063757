/** What judges find, before it is told: instants are Redis ms. */
import { asReason } from '../text/foreign-text.ts';
import type { Trouble } from './chain.ts';

export interface Found extends Omit<Trouble, 'since' | 'until' | 'connection'> {
  readonly connection?: string;
  readonly since?: number | null;
  readonly until?: number | null;
}

export function told({ since = null, until = null, connection, reason, ...rest }: Found): Trouble {
  // Reasons quote agents and platforms, by way of Redis, in which others may have written.
  return { ...rest, connection: connection ?? null, reason: asReason(reason), since: iso(since), until: iso(until) };
}

function iso(at: number | null): string | null {
  return at === null || !Number.isFinite(at) || Math.abs(at) > MOST_MS ? null : new Date(at).toISOString();
}

/** Of a Date. */
const MOST_MS = 8.64e15;

/** @returns `45 s`, `12 min`, `3 h`, for reasons that people read */
export function inWords(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1_000));
  if (seconds < 120) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

/** @returns `1 conversation`, `3 conversations` */
export function plural(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`;
}
