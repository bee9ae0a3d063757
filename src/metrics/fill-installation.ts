/** What a scrape says of the installation as a whole: workers, scheduler, queues, budgets, latencies, Redis. */
import { LATENCY_BOUNDS_MS, type LatencyName, WEB_REFUSALS } from '../state/measurements.ts';
import type { RedisFacts } from '../state/redis-facts.ts';
import { LINKS } from '../status/chain.ts';
import { JOB_STATES, type Snapshot } from '../status/read-snapshot.ts';
import { statusOf } from '../status/read-status.ts';
import type { MetricName } from './catalog.ts';
import type { Sheet } from './sheet.ts';

const HISTOGRAMS: Readonly<Record<LatencyName, MetricName>> = {
  stored: 'holdfast_stored_seconds',
  turn: 'holdfast_turn_seconds',
  delivery: 'holdfast_delivery_seconds',
  takeover: 'holdfast_takeover_seconds',
};

const BOUNDS = LATENCY_BOUNDS_MS.map((ms) => ms / 1_000);

/** A role that nobody has is shown as 0: that is what one wants to know of it. */
const EXPECTED_ROLES = ['connections', 'scheduler', 'agent', 'delivery'];

export function fillInstallation(sheet: Sheet, snapshot: Snapshot): void {
  fillWorkers(sheet, snapshot);
  const { sweep, moment } = snapshot;
  const sweepAge = sweep === null ? null : Math.max(0, moment.now - sweep.at) / 1_000;
  sheet.put('holdfast_scheduler_sweep_age_seconds', sweepAge);
  const { chain, agents } = statusOf(snapshot);
  for (const link of LINKS) sheet.put('holdfast_link_failing', Number(chain.links[link].state === 'failing'), { link });
  for (const { name, failing } of agents)
    sheet.put('holdfast_agent_failing', Number(failing !== null), { agent: name });
  for (const { name, paused } of snapshot.queues) sheet.put('holdfast_queue_paused', Number(paused), { queue: name });
  for (const { name, counts } of snapshot.jobs) {
    for (const state of JOB_STATES) sheet.put('holdfast_queue_jobs', counts[state] ?? 0, { queue: name, state });
  }
  for (const { platform, account, name, windowMs, used, count } of snapshot.budgets) {
    const labels = { platform, account, budget: name, window: inWords(windowMs) };
    sheet.put('holdfast_budget_used', used, labels);
    sheet.put('holdfast_budget_limit', count, labels);
  }
  for (const reason of WEB_REFUSALS) sheet.put('holdfast_web_refused_total', snapshot.webRefusals[reason], { reason });
  for (const { name, platform, buckets, sumMs } of snapshot.latencies) {
    sheet.putHistogram(HISTOGRAMS[name], { bounds: BOUNDS, buckets, sum: sumMs / 1_000 }, { platform });
  }
}

function fillWorkers(sheet: Sheet, { workers, moment }: Snapshot): void {
  const roles = new Map(EXPECTED_ROLES.map((role) => [role, 0]));
  for (const worker of workers) {
    const labels = { worker: worker.id };
    if (worker.roles.includes('connections')) {
      sheet.put('holdfast_worker_connections', worker.connections, labels);
      sheet.put('holdfast_worker_capacity', worker.capacity, labels);
    }
    sheet.put('holdfast_worker_event_loop_lag_seconds', worker.eventLoopLagMs / 1_000, labels);
    sheet.put('holdfast_worker_report_age_seconds', Math.max(0, moment.now - worker.at) / 1_000, labels);
    sheet.put('holdfast_worker_draining', Number(worker.draining), labels);
    sheet.put('holdfast_worker_config_refused', Number(worker.configRefused != null), labels);
    sheet.put('holdfast_worker_restart_needed', worker.restartNeeded?.length ?? 0, labels);
    for (const role of worker.roles) roles.set(role, (roles.get(role) ?? 0) + 1);
  }
  for (const [role, count] of roles) sheet.put('holdfast_workers', count, { role });
}

export function fillRedis(sheet: Sheet, facts: RedisFacts): void {
  sheet.put('holdfast_redis_uptime_seconds', facts.uptimeMs / 1_000);
  sheet.put('holdfast_redis_memory_used_bytes', facts.usedBytes);
  sheet.put('holdfast_redis_memory_max_bytes', facts.maxBytes);
  sheet.put('holdfast_redis_evicted_keys_total', facts.evictedKeys);
  sheet.put('holdfast_redis_clients', facts.clients);
  sheet.put('holdfast_redis_aof_enabled', Number(facts.aof.enabled));
  sheet.put('holdfast_redis_aof_ok', Number(facts.aof.healthy));
}

function inWords(windowMs: number): string {
  if (windowMs % 3_600_000 === 0) return `${windowMs / 3_600_000}h`;
  if (windowMs % 60_000 === 0) return `${windowMs / 60_000}m`;
  return `${windowMs / 1_000}s`;
}
