/** What `holdfast doctor` says, as people and scripts read it. */
import type { Diagnosis } from '../adapters/adapter.ts';

/** Keys are a stable interface. */
export interface Finding extends Omit<Diagnosis, 'check'> {
  /** What was looked at, such as `redis.eviction`; those of a platform are `platform.…`. */
  readonly check: string;
  /** Whom it is about: a connection, a sink, a host; `null`: the whole installation. */
  readonly subject: string | null;
}

export interface DoctorReport {
  /** ISO 8601, by the clock of this host. */
  readonly at: string;
  /** Nothing failed. */
  readonly ok: boolean;
  readonly counts: Readonly<Record<Finding['status'], number>>;
  readonly findings: readonly Finding[];
}

type Words = { readonly subject?: string | null };

export function ok(check: string, message: string, { subject = null }: Words = {}): Finding {
  return { check, subject, status: 'ok', message, fix: null };
}

export function warn(check: string, message: string, fix: string, { subject = null }: Words = {}): Finding {
  return { check, subject, status: 'warn', message, fix };
}

export function fail(check: string, message: string, fix: string, { subject = null }: Words = {}): Finding {
  return { check, subject, status: 'fail', message, fix };
}

/** @param why - in words */
export function skipped(check: string, why: string, { subject = null }: Words = {}): Finding {
  return { check, subject, status: 'skipped', message: why, fix: null };
}

export function reportOf(findings: readonly Finding[], at: Date): DoctorReport {
  const count = (status: Finding['status']) => findings.filter((finding) => finding.status === status).length;
  const counts = { ok: count('ok'), warn: count('warn'), fail: count('fail'), skipped: count('skipped') };
  return { at: at.toISOString(), ok: counts.fail === 0, counts, findings };
}
