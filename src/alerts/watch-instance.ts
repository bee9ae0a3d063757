/** What concerns the whole installation rather than one connection. Pure. */
import type { BudgetUse } from '../state/budget.ts';
import { PLATFORM_CLOCK_OFF_MS } from '../status/derive.ts';
import { MEMORY_FULL } from '../status/thresholds.ts';
import type { AlertSettings, Condition, Observed, Rule } from './alert.ts';

/** Of a budget of new sessions. */
const BUDGET_LOW_AT = 0.8;
/** Budgets of a few seconds are used up by every restart. */
const BUDGET_WINDOW_MS = 3_600_000;
/** Signatures, reply windows and log times go wrong beyond this, ms. */
const CLOCK_OFF_MS = 5_000;
/** One late report is no wrong clock. */
const CLOCK_OFF_FOR_MS = 10_000;

export function watchInstance(observed: Observed, now: number, settings: AlertSettings): Condition[] {
  return [
    ...sweeps(observed, now, settings),
    ...redis(observed, now),
    ...data(observed, now),
    ...observed.budgets.filter(isLow).map((budget) => lowBudget(budget, now)),
    ...clocks(observed, now),
    ...platformClocks(observed, now),
  ];
}

function condition(key: string, rule: Rule, subject: string, reason: string, since: number, dueAt = since): Condition {
  return { key, rule, subject, cause: key.split(':')[0] ?? rule, reason, since, dueAt, before: null };
}

function sweeps({ status }: Observed, now: number, { sweepLateMs }: AlertSettings): Condition[] {
  const { lastSweepAgeMs: age, worker } = status.scheduler;
  if (age === null)
    return [condition('no-sweep', 'no-sweep', 'scheduler', 'none was ever made', now, now + sweepLateMs)];
  if (age <= sweepLateMs) return [];
  const reason = `the last sweep was ${Math.round(age / 1_000)} s ago, by ${worker ?? 'an unknown process'}`;
  return [condition('no-sweep', 'no-sweep', 'scheduler', reason, now - age, now)];
}

function redis({ redis: facts }: Observed, now: number): Condition[] {
  if (facts === null) return [];
  const { usedBytes, maxBytes, aof } = facts;
  const found: Condition[] = [];
  if (maxBytes !== null && usedBytes >= maxBytes * MEMORY_FULL) {
    const percent = Math.floor((100 * usedBytes) / maxBytes);
    const reason = `${percent} % of its memory is used: inbound messages wait at the platforms`;
    found.push(condition('redis-memory', 'redis', 'Redis', reason, now));
  }
  if (aof.enabled && !aof.healthy) {
    const reason = 'it cannot write its append-only file: what is stored now dies with it';
    found.push(condition('redis-aof', 'redis', 'Redis', reason, now));
  }
  return found;
}

function data({ status }: Observed, now: number): Condition[] {
  const lost = status.chain?.troubles.find(({ kind, state }) => kind === 'data-lost' && state === 'failing');
  return lost === undefined ? [] : [condition('redis-data', 'redis', 'Redis', lost.reason, now)];
}

function isLow({ used, count, windowMs }: BudgetUse): boolean {
  return windowMs >= BUDGET_WINDOW_MS && count > 0 && used >= count * BUDGET_LOW_AT;
}

function lowBudget({ platform, account, name, used, count, windowMs }: BudgetUse, now: number): Condition {
  const reason = `${used} of ${count} permits (${name}) for new sessions within ${Math.round(windowMs / 3_600_000)} h are used`;
  return condition(`budget:${platform}:${account}:${name}`, 'budget', `${platform} ${account}`, reason, now);
}

function clocks({ clocks: hosts }: Observed, now: number): Condition[] {
  return hosts
    .filter(({ aheadMs }) => Math.abs(aheadMs) > CLOCK_OFF_MS)
    .map(({ host, aheadMs }) => {
      const seconds = Math.round(Math.abs(aheadMs) / 1_000);
      const reason = `its clock is ${seconds} s ${aheadMs > 0 ? 'ahead of' : 'behind'} Redis's`;
      return condition(`clock-skew:${host}`, 'clock-skew', host, reason, now, now + CLOCK_OFF_FOR_MS);
    });
}

/** Of each host the connection whose platform is nearest to its clock: one platform alone may be wrong itself. */
function platformClocks({ status }: Observed, now: number): Condition[] {
  const nearest = new Map<string, { readonly aheadMs: number; readonly platform: string }>();
  for (const { owner, platform, platformAheadMs: aheadMs } of status.connections) {
    if (owner === null || aheadMs === null) continue;
    const host = owner.slice(0, owner.lastIndexOf('/'));
    const known = nearest.get(host);
    if (known === undefined || Math.abs(aheadMs) < Math.abs(known.aheadMs)) nearest.set(host, { aheadMs, platform });
  }
  return [...nearest]
    .filter(([, { aheadMs }]) => Math.abs(aheadMs) > PLATFORM_CLOCK_OFF_MS)
    .map(([host, { aheadMs, platform }]) => {
      const seconds = Math.round(Math.abs(aheadMs) / 1_000);
      const reason = `its clock is ${seconds} s ${aheadMs > 0 ? 'behind' : 'ahead of'} that of ${platform}`;
      return condition(`clock-skew:${host}:platform`, 'clock-skew', host, reason, now, now + CLOCK_OFF_FOR_MS);
    });
}
