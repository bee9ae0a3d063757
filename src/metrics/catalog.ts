/**
 * Every metric there is: name, meaning, labels. The documentation's table, the registry of a scrape and the check of
 * dashboards and alert rules are all made from this list.
 *
 * Cardinality: labels are ids of connections and of living workers, accounts, and closed sets of words; never a
 * conversation, a text or a reason. Names follow Prometheus: base units (seconds, bytes), `_total` for what only grows.
 */
export interface MetricEntry {
  readonly type: 'gauge' | 'counter' | 'histogram';
  readonly labels: readonly string[];
  readonly help: string;
}

const CONNECTION = ['connection', 'platform'] as const;

const ofConnection = (type: MetricEntry['type'], help: string, ...more: readonly string[]): MetricEntry => ({
  type,
  labels: [...CONNECTION, ...more],
  help,
});

export const CATALOG = {
  holdfast_redis_up: { type: 'gauge', labels: [], help: '1 when Redis answered this scrape in time, else 0' },
  holdfast_evidence_up: {
    type: 'gauge',
    labels: [],
    help: '1 when all evidence could be read for this scrape; with 0 everything that comes from it is missing',
  },
  holdfast_connections: {
    type: 'gauge',
    labels: ['platform', 'state'],
    help: 'Connections in each state (live, connecting, waiting, unowned, parked, paused)',
  },

  holdfast_connection_state: ofConnection('gauge', '1 for the state the connection is in, 0 for the others', 'state'),
  holdfast_connection_state_age_seconds: ofConnection('gauge', 'How long it has been in its state'),
  holdfast_connection_attempt: ofConnection(
    'gauge',
    'Number of the present attempt since it was last live; 0 when live',
  ),
  holdfast_connection_round_trip_age_seconds: ofConnection(
    'gauge',
    'Since the last completed round trip of the holder',
  ),
  holdfast_connection_event_age_seconds: ofConnection('gauge', 'Since the last message was stored'),
  holdfast_connection_heartbeat_age_seconds: ofConnection('gauge', 'Since its holder last wrote evidence'),
  holdfast_connection_fencing_token: ofConnection('gauge', 'Token of the present lease, or of the last one'),
  holdfast_connection_lanes: ofConnection(
    'gauge',
    'Conversations with messages that wait for the agent, or are with it',
  ),
  holdfast_connection_lane_age_seconds: ofConnection(
    'gauge',
    'Since when the oldest of them is waiting; 0 when none is',
  ),
  holdfast_connection_pending_bytes: ofConnection('gauge', 'Size of the messages that wait for the agent'),
  holdfast_connection_outboxes: ofConnection('gauge', 'Conversations with parts that are not sent yet'),
  holdfast_connection_outbox_age_seconds: ofConnection(
    'gauge',
    'Since when the oldest of them is waiting; 0 when none is',
  ),
  holdfast_connection_dead_letters: ofConnection('gauge', 'Dead letters that wait for a person (about 1000 are kept)'),

  holdfast_events_total: ofConnection('counter', 'Messages stored'),
  holdfast_duplicates_total: ofConnection('counter', 'Events that came again and were dropped'),
  holdfast_gaps_total: ofConnection('counter', 'Gap records: the platform lost events, or may have'),
  holdfast_malformed_total: ofConnection('counter', 'Frames that could not be understood, kept aside'),
  holdfast_busy_total: ofConnection(
    'counter',
    'Messages refused because their conversation, or one person in a group, had too many waiting',
  ),
  holdfast_poison_total: ofConnection('counter', 'Events that killed their reader twice, set aside as dead letters'),
  holdfast_identified_total: ofConnection('counter', 'New sessions confirmed by the platform'),
  holdfast_resumed_total: ofConnection('counter', 'Sessions continued'),
  holdfast_reconnects_total: ofConnection(
    'counter',
    'Attempts after the first one of a tenure, by what ended the one before; absent while there was none',
    'cause',
  ),
  holdfast_takeovers_total: ofConnection('counter', 'Leases granted to another worker than the one before'),
  holdfast_stale_writes_total: ofConnection('counter', 'Writes refused because a newer fencing token exists'),
  holdfast_turns_total: ofConnection('counter', 'Turns ended: answered, or given up'),
  holdfast_replies_total: ofConnection('counter', 'Parts that agents answered with'),
  holdfast_sent_total: ofConnection('counter', 'Parts that the platform took'),
  holdfast_sent_duplicates_total: ofConnection(
    'counter',
    'Parts that the platform had already: an earlier try arrived',
  ),
  holdfast_send_audits_total: ofConnection('counter', 'Parts that the platform holds back for its audit'),
  holdfast_send_audits_passed_total: ofConnection('counter', 'Parts that the audit let through'),
  holdfast_send_audits_rejected_total: ofConnection('counter', 'Parts that the audit refused; they are dead letters'),
  holdfast_send_blanks_total: ofConnection('counter', 'Parts in which nothing could be seen, and which were not sent'),
  holdfast_send_retries_total: ofConnection('counter', 'Sends that are to be tried again'),
  holdfast_dead_letters_total: ofConnection('counter', 'Messages and parts that became dead letters'),
  holdfast_answers_cut_total: ofConnection('counter', 'Answers and pushed messages cut to agent.maxReplyParts'),

  holdfast_stored_seconds: {
    type: 'histogram',
    labels: ['platform'],
    help: 'From the frame in the hands of a worker until its event is stored',
  },
  holdfast_turn_seconds: {
    type: 'histogram',
    labels: ['platform'],
    help: 'From taking a turn until its answer is stored: the agent, nearly always',
  },
  holdfast_delivery_seconds: {
    type: 'histogram',
    labels: ['platform'],
    help: 'From a part coming up for sending until the platform has it, with retries and waits for its rate limits',
  },
  holdfast_takeover_seconds: {
    type: 'histogram',
    labels: ['platform'],
    help: 'From the last sign of life of a lost worker until its connection is live at another one',
  },

  holdfast_worker_connections: { type: 'gauge', labels: ['worker'], help: 'Connections that the worker holds' },
  holdfast_worker_capacity: { type: 'gauge', labels: ['worker'], help: 'Most connections that it takes' },
  holdfast_web_refused_total: {
    type: 'counter',
    labels: ['reason'],
    help: 'Sockets cut and requests refused over HTTP: waiting (asked for nothing), busy (too many of one caller), slow (the body did not come)',
  },
  holdfast_worker_event_loop_lag_seconds: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Delay of its event loop, 99th percentile between two reports',
  },
  holdfast_worker_report_age_seconds: { type: 'gauge', labels: ['worker'], help: 'Since it last said that it lives' },
  holdfast_worker_draining: { type: 'gauge', labels: ['worker'], help: '1 while it takes nothing more' },
  holdfast_worker_config_refused: {
    type: 'gauge',
    labels: ['worker'],
    help: '1 while its configuration file is refused and the one before goes on',
  },
  holdfast_worker_restart_needed: {
    type: 'gauge',
    labels: ['worker'],
    help: 'Keys of its configuration whose new values wait for its restart',
  },
  holdfast_workers: { type: 'gauge', labels: ['role'], help: 'Living processes that have the role' },

  holdfast_scheduler_sweep_age_seconds: {
    type: 'gauge',
    labels: [],
    help: 'Since the last sweep of any scheduler; absent when there never was one',
  },
  holdfast_link_failing: {
    type: 'gauge',
    labels: ['link'],
    help: '1 while the link (received, stored, turn, answer, sent) keeps somebody from being answered',
  },
  holdfast_agent_failing: {
    type: 'gauge',
    labels: ['agent'],
    help: '1 while the agent gives no answers: away, refusing or failing',
  },
  holdfast_queue_jobs: { type: 'gauge', labels: ['queue', 'state'], help: 'Jobs of a queue by their state' },
  holdfast_queue_paused: { type: 'gauge', labels: ['queue'], help: '1 while somebody has paused the queue' },
  holdfast_budget_used: {
    type: 'gauge',
    labels: ['platform', 'account', 'budget', 'window'],
    help: 'Permits of a platform budget (identify) given within its window, by all hosts',
  },
  holdfast_budget_limit: {
    type: 'gauge',
    labels: ['platform', 'account', 'budget', 'window'],
    help: 'Permits that the platform gives within that window, as far as we use them',
  },

  holdfast_redis_uptime_seconds: { type: 'gauge', labels: [], help: 'Since Redis started' },
  holdfast_redis_memory_used_bytes: { type: 'gauge', labels: [], help: 'Memory that Redis uses' },
  holdfast_redis_memory_max_bytes: { type: 'gauge', labels: [], help: 'Its limit; absent when none is set' },
  holdfast_redis_evicted_keys_total: {
    type: 'counter',
    labels: [],
    help: 'Keys that Redis dropped for lack of memory',
  },
  holdfast_redis_clients: { type: 'gauge', labels: [], help: 'Clients connected to Redis' },
  holdfast_redis_aof_enabled: { type: 'gauge', labels: [], help: '1 when Redis keeps an append-only file' },
  holdfast_redis_aof_ok: { type: 'gauge', labels: [], help: '1 unless writing or rewriting that file last failed' },
} as const satisfies Record<string, MetricEntry>;

export type MetricName = keyof typeof CATALOG;

/** The table of docs/metrics.md. */
export function metricsTable(): string {
  const rows = Object.entries<MetricEntry>(CATALOG).map(
    ([name, { type, labels, help }]) =>
      `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
  );
  return ['| metric | type | labels | what it says |', '|---|---|---|---|', ...rows].join('\n');
}
