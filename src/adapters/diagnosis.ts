import type { Diagnosis } from './adapter.ts';

export function ok(check: string, message: string): Diagnosis {
  return { check, status: 'ok', message, fix: null };
}

/** Not looked at, because of what `message` says. */
export function skipped(check: string, message: string): Diagnosis {
  return { check, status: 'skipped', message, fix: null };
}
