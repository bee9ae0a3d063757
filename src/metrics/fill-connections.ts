/** What a scrape says of each connection. The state is derived as for `status`, so the two never differ. */
import { setImmediate } from 'node:timers/promises';
import { ownValue, RECONNECT_CAUSES } from '../model.ts';
import type { Backlog } from '../state/backlog.ts';
import { reconnectField } from '../state/measurements.ts';
import { type ConnectionEvidence, deriveConnection } from '../status/derive.ts';
import type { ConnectionStateName, ConnectionStatus } from '../status/document.ts';
import type { Snapshot } from '../status/read-snapshot.ts';
import type { MetricName } from './catalog.ts';
import type { Labels, Sheet } from './sheet.ts';

/** A record, so that no state is forgotten. */
const STATE_NAMES: Readonly<Record<ConnectionStateName, true>> = {
  live: true,
  connecting: true,
  waiting: true,
  unowned: true,
  parked: true,
  paused: true,
};
const STATES = Object.keys(STATE_NAMES);

/** Counters as the scripts name them. */
const COUNTERS = {
  events: 'holdfast_events_total',
  duplicates: 'holdfast_duplicates_total',
  gaps: 'holdfast_gaps_total',
  malformed: 'holdfast_malformed_total',
  poison: 'holdfast_poison_total',
  busy: 'holdfast_busy_total',
  identified: 'holdfast_identified_total',
  resumed: 'holdfast_resumed_total',
  takeovers: 'holdfast_takeovers_total',
  staleWrites: 'holdfast_stale_writes_total',
  turns: 'holdfast_turns_total',
  replies: 'holdfast_replies_total',
  sent: 'holdfast_sent_total',
  duplicatesSent: 'holdfast_sent_duplicates_total',
  auditsPending: 'holdfast_send_audits_total',
  auditsPassed: 'holdfast_send_audits_passed_total',
  auditsRejected: 'holdfast_send_audits_rejected_total',
  blanks: 'holdfast_send_blanks_total',
  sendRetries: 'holdfast_send_retries_total',
  deadLetters: 'holdfast_dead_letters_total',
  answersCut: 'holdfast_answers_cut_total',
} as const satisfies Record<string, MetricName>;

/** After so many connections others get a turn of the event loop: a thousand take a fifth of a second. */
const AT_ONCE = 50;

export async function fillConnections(sheet: Sheet, snapshot: Snapshot): Promise<void> {
  const states = new Map<string, number>();
  for (const [index, evidence] of snapshot.connections.entries()) {
    if (index % AT_ONCE === AT_ONCE - 1) await setImmediate();
    const status = deriveConnection(evidence, snapshot.moment);
    const labels = { connection: status.id, platform: status.platform };
    const { now } = snapshot.moment;
    fillState(sheet, labels, status, now);
    fillEvidence(sheet, labels, status, evidence, now);
    fillCounters(sheet, labels, evidence.counters);
    const backlog = snapshot.backlogs.get(status.id);
    if (backlog !== undefined) fillBacklog(sheet, labels, backlog, now);
    for (const state of STATES) {
      const key = `${status.platform}|${state}`;
      states.set(key, (states.get(key) ?? 0) + Number(status.state === state));
    }
  }
  for (const [key, count] of states) {
    const [platform = '', state = ''] = key.split('|');
    sheet.put('holdfast_connections', count, { platform, state });
  }
}

function fillState(sheet: Sheet, labels: Labels, status: ConnectionStatus, now: number): void {
  for (const state of STATES) {
    sheet.put('holdfast_connection_state', Number(status.state === state), { ...labels, state });
  }
  const since = status.since === null ? null : Date.parse(status.since);
  sheet.put('holdfast_connection_state_age_seconds', age(since, now), labels);
  sheet.put('holdfast_connection_attempt', status.attempt, labels);
}

function fillEvidence(
  sheet: Sheet,
  labels: Labels,
  status: ConnectionStatus,
  { heartbeat, lease }: ConnectionEvidence,
  now: number,
): void {
  sheet.put('holdfast_connection_round_trip_age_seconds', seconds(status.lastRoundTripAgeMs), labels);
  sheet.put('holdfast_connection_event_age_seconds', seconds(status.lastEventAgeMs), labels);
  const current = heartbeat !== null && heartbeat.token === lease.token;
  sheet.put('holdfast_connection_heartbeat_age_seconds', age(current ? heartbeat.at : null, now), labels);
  sheet.put('holdfast_connection_fencing_token', lease.token, labels);
}

function fillCounters(sheet: Sheet, labels: Labels, counters: Readonly<Record<string, string>>): void {
  for (const [name, metric] of Object.entries(COUNTERS))
    sheet.put(metric, Number(ownValue(counters, name) ?? 0), labels);
  for (const cause of RECONNECT_CAUSES) {
    const count = ownValue(counters, reconnectField(cause));
    // Ten series more for each connection, nearly all of them 0 for ever, would be most of the scrape.
    if (count !== undefined) sheet.put('holdfast_reconnects_total', Number(count), { ...labels, cause });
  }
}

function fillBacklog(sheet: Sheet, labels: Labels, backlog: Backlog, now: number): void {
  sheet.put('holdfast_connection_lanes', backlog.lanes, labels);
  sheet.put('holdfast_connection_lane_age_seconds', age(backlog.oldestLanes[0]?.at ?? null, now) ?? 0, labels);
  sheet.put('holdfast_connection_pending_bytes', backlog.pendingBytes, labels);
  sheet.put('holdfast_connection_outboxes', backlog.outboxes, labels);
  sheet.put('holdfast_connection_outbox_age_seconds', age(backlog.oldestOutboxes[0]?.at ?? null, now) ?? 0, labels);
  sheet.put('holdfast_connection_dead_letters', backlog.deadLetters, labels);
}

function age(at: number | null, now: number): number | null {
  return at === null ? null : seconds(Math.max(0, now - at));
}

function seconds(ms: number | null): number | null {
  return ms === null ? null : ms / 1_000;
}
