/** What a scrape says: right without any other process, bounded in size, and true to dashboards and alert rules. */
import { readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { settledWithin } from '../../src/async/abort.ts';
import { CATALOG, type MetricEntry, metricsTable } from '../../src/metrics/catalog.ts';
import { createMetrics } from '../../src/metrics/metrics.ts';
import { type ConnectionId, RECONNECT_CAUSES, type WorkerId } from '../../src/model.ts';
import { createBudget } from '../../src/state/budget.ts';
import { applyDesired, type DesiredConnection } from '../../src/state/desired.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { claimLease, renewLeases } from '../../src/state/leases.ts';
import { countReconnects, LATENCIES, Measurements } from '../../src/state/measurements.ts';
import { type ConnectionJobData, openQueue } from '../../src/state/queues.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { recordSweep } from '../../src/state/sweeps.ts';
import { type AgentReport, reportWorker } from '../../src/state/workers.ts';
import { quiet } from '../support/inbound.ts';
import { beat } from '../support/observed.ts';
import { readPromql } from '../support/promql.ts';
import { startRedis, type TestRedis, useRedis } from '../support/redis.ts';
import { parseScrape, total } from '../support/scraped.ts';

/** Of one connection at most, as docs/metrics.md says. */
const SERIES_PER_CONNECTION = 49;
/** Of everything else with one worker and one platform: histograms are most of it. */
const OTHER_SERIES = 150;
const TIMINGS = { renewEveryMs: 1_500, sweepEveryMs: 1_000 };
const WORKER = 'host-a/11-x' as WorkerId;
const REPORT = { roles: ['connections'], connections: 3, capacity: 500, eventLoopLagMs: 20, incarnation: 'i' };
const never = new AbortController().signal;

const redis = useRedis({ aof: true, appendfsync: 'no', args: ['--maxmemory', '500mb'] });
const closing: (() => unknown)[] = [];
let client: RedisClient;
let keys: Keys;

beforeEach(() => {
  client = openRedis({ path: redis.server.path }, 'queue', 'test', () => undefined);
  keys = createKeys(redis.prefix());
  closing.push(() => client.disconnect());
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

function open(server: TestRedis = redis.server, deadlineMs?: number) {
  const address = { path: server.path };
  const reader = openRedis(address, 'reader', 'test:metrics', () => undefined);
  const queue = openQueue<ConnectionJobData>('connections', keys, address, () => undefined);
  // It never closes when its server went away in the middle of a command.
  closing.push(() => settledWithin(queue.close(), 2_000));
  closing.push(() => reader.disconnect());
  const metrics = createMetrics({
    client: reader,
    keys,
    queues: [queue],
    timings: TIMINGS,
    log: quiet,
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  });
  return { metrics, queue, scrape: async () => parseScrape(await metrics.render(never)) };
}

/** Connections that are held and live, as workers leave them in Redis. */
async function seed(count: number, leaseMs = 60_000): Promise<ConnectionId[]> {
  const wanted = Array.from(
    { length: count },
    (_, n): DesiredConnection => ({
      id: `qq-${n}` as ConnectionId,
      platform: 'qq',
      enabled: true,
      options: {},
      lateReply: 'drop',
      fingerprint: 'f',
      source: 'config',
    }),
  );
  await applyDesired(client, keys, wanted, { removeOthers: false });
  const ids = wanted.map(({ id }) => id);
  const renewals = await Promise.all(
    ids.map(async (id) => {
      const claim = await claimLease(client, keys, id, { worker: WORKER, incarnation: 'i', jobToken: 'j' }, leaseMs);
      if (claim.kind !== 'granted') throw new Error(claim.kind);
      return { id, token: claim.token, heartbeat: JSON.stringify(beat()), change: null };
    }),
  );
  await renewLeases(client, keys, renewals, leaseMs);
  return ids;
}

const AGENT: AgentReport = {
  name: 'main',
  kind: 'echo',
  running: 0,
  places: 100,
  longestMs: null,
  limitMs: 1_000,
  answeredMs: null,
  failing: null,
};

/** All that can be said of connections and installation is said. */
async function seedEverything(count: number): Promise<void> {
  const ids = await seed(count);
  const measurements = new Measurements();
  for (const name of LATENCIES) measurements.took(name, 'qq', 12);
  for (const id of ids) for (const cause of RECONNECT_CAUSES) measurements.reconnected(id, cause);
  const { latencies, reconnects } = measurements.take();
  await countReconnects(client, keys, reconnects);
  for (const id of ids) await client.hset(keys.connection(id).counters, 'lastEventAt', '1795341600000');
  await reportWorker(client, keys, WORKER, { ...REPORT, draining: false, agent: AGENT }, 60_000, latencies);
  await recordSweep(client, keys, WORKER);
  const limits = [
    { count: 1, windowMs: 5_000 },
    { count: 950, windowMs: 86_400_000 },
  ];
  await createBudget(client, keys, 'qq', '102000000').take('identify', limits, { signal: never });
}

describe('a scrape', () => {
  it('says of a healthy connection what status says', async () => {
    await seedEverything(1);
    const { scrape, queue } = open();
    await queue.add('connection', { connectionId: 'qq-0' }, { jobId: 'qq-0' });
    const samples = await scrape();
    const of = (name: string, labels = {}) => total(samples, name, labels);

    expect(of('holdfast_redis_up')).toBe(1);
    expect(of('holdfast_evidence_up')).toBe(1);
    expect(of('holdfast_connection_state', { connection: 'qq-0', state: 'live' })).toBe(1);
    expect(of('holdfast_connection_state', { connection: 'qq-0' })).toBe(1);
    expect(of('holdfast_connections', { platform: 'qq', state: 'live' })).toBe(1);
    expect(of('holdfast_connection_round_trip_age_seconds')).toBeGreaterThanOrEqual(1);
    expect(of('holdfast_connection_round_trip_age_seconds')).toBeLessThan(30);
    expect(of('holdfast_reconnects_total', { cause: 'rival' })).toBe(1);
    expect(of('holdfast_turn_seconds_bucket', { le: '0.01' })).toBe(0);
    expect(of('holdfast_turn_seconds_bucket', { le: '0.025' })).toBe(1);
    expect(of('holdfast_worker_capacity', { worker: WORKER })).toBe(500);
    expect(of('holdfast_worker_event_loop_lag_seconds')).toBe(0.02);
    expect(of('holdfast_workers', { role: 'agent' })).toBe(0);
    expect(of('holdfast_queue_jobs', { queue: 'connections', state: 'waiting' })).toBe(1);
    expect(of('holdfast_budget_used', { account: '102000000', window: '24h' })).toBe(1);
    expect(of('holdfast_budget_limit', { account: '102000000', window: '24h' })).toBe(950);
    expect(of('holdfast_redis_memory_max_bytes')).toBe(500 * 1024 * 1024);
    expect(of('holdfast_redis_aof_enabled')).toBe(1);
  });

  it('calls a connection unowned once its worker is dead, without anybody to say so', async () => {
    await seed(1, 100);
    const { scrape } = open();
    await expect.poll(async () => total(await scrape(), 'holdfast_connections', { state: 'unowned' })).toBe(1);
    const samples = await scrape();
    expect(total(samples, 'holdfast_connection_state', { state: 'live' })).toBe(0);
    expect(total(samples, 'holdfast_connection_round_trip_age_seconds')).toBe(null);
    expect(total(samples, 'holdfast_workers', { role: 'connections' })).toBe(0);
    expect(total(samples, 'holdfast_scheduler_sweep_age_seconds')).toBe(null);
  });

  it('forgets a worker that is gone', async () => {
    await reportWorker(client, keys, WORKER, { ...REPORT, draining: false }, 200);
    const { scrape } = open();
    expect(total(await scrape(), 'holdfast_worker_capacity', { worker: WORKER })).toBe(500);
    await expect.poll(async () => total(await scrape(), 'holdfast_worker_capacity')).toBe(null);
  });

  it('adds what several processes measured', async () => {
    const other = 'host-b/12-y' as WorkerId;
    for (const worker of [WORKER, other]) {
      const measurements = new Measurements();
      measurements.took('stored', 'qq', 3, 2);
      await reportWorker(client, keys, worker, { ...REPORT, draining: false }, 60_000, measurements.take().latencies);
    }
    const samples = await open().scrape();
    expect(total(samples, 'holdfast_stored_seconds_count', { platform: 'qq' })).toBe(4);
    expect(total(samples, 'holdfast_stored_seconds_sum', { platform: 'qq' })).toBeCloseTo(0.012);
  });

  it('is bounded: a thousand connections with everything that ever happens to them', async () => {
    const connections = 1_000;
    await seedEverything(connections);
    const { metrics } = open();
    const startedAt = performance.now();
    const text = await metrics.render(never);
    const samples = parseScrape(text);
    const perConnection = new Map<string, number>();
    for (const { labels } of samples) {
      if (labels.connection === undefined) continue;
      perConnection.set(labels.connection, (perConnection.get(labels.connection) ?? 0) + 1);
    }
    expect(perConnection.size).toBe(connections);
    expect(Math.max(...perConnection.values())).toBeLessThanOrEqual(SERIES_PER_CONNECTION);
    expect(samples.filter(({ labels }) => labels.connection === undefined).length).toBeLessThanOrEqual(OTHER_SERIES);
    // A bound of liveness: Prometheus gives up after 10 s.
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  });

  it('answers in time and says that Redis is away: killed or frozen', async () => {
    await using server = await startRedis({ aof: false });
    const { metrics, scrape } = open(server, 500);
    expect(total(await scrape(), 'holdfast_redis_up')).toBe(1);
    server.freeze();
    const frozen = await metrics.render(AbortSignal.timeout(5_000));
    server.thaw();
    await server.kill();
    const killed = await metrics.render(AbortSignal.timeout(5_000));
    for (const text of [frozen, killed]) {
      expect(parseScrape(text).map(({ name, value }) => `${name} ${value}`)).toEqual([
        'holdfast_redis_up 0',
        'holdfast_evidence_up 0',
      ]);
    }
  });

  it('ends with the reason of whoever does not want it any more', async () => {
    await using server = await startRedis({ aof: false });
    const { metrics, scrape } = open(server);
    await scrape();
    server.freeze();
    const gone = new AbortController();
    const rendering = metrics.render(gone.signal);
    gone.abort(new Error('the client hung up'));
    await expect(rendering).rejects.toThrow('the client hung up');
    server.thaw();
  });
});

interface Rules {
  readonly groups: readonly { readonly rules: readonly { readonly alert: string; readonly expr: string }[] }[];
}

/** Every `expr` of a dashboard, and the metrics and labels behind its variables. */
function dashboardExpressions(): string[] {
  const text = readFileSync(new URL('../../infra/grafana/holdfast.json', import.meta.url), 'utf8');
  const found: string[] = [];
  JSON.parse(text, (key, value: unknown) => {
    if (key === 'expr') found.push(String(value));
    // label_values(metric, label)
    if (key === 'definition') found.push(String(value).replace(/^label_values\((.*), (\w+)\)$/, 'sum by ($2) ($1)'));
    return value;
  });
  return found.map((expression) => expression.replace(/\$__rate_interval/g, '5m').replace(/\$\w+/g, '.*'));
}

function ruleExpressions(): { readonly name: string; readonly expression: string }[] {
  const text = readFileSync(new URL('../../infra/prometheus/holdfast.rules.yml', import.meta.url), 'utf8');
  const { groups } = parseYaml(text) as Rules;
  return groups.flatMap(({ rules }) => rules.map(({ alert, expr }) => ({ name: alert, expression: expr })));
}

describe('dashboards, rules and documentation', () => {
  it('ask only for metrics and labels that a scrape has', async () => {
    await seedEverything(1);
    const samples = await open().scrape();
    const names = new Set(samples.map(({ name }) => name));
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)));
    const rules = ruleExpressions();
    const expressions = [...rules.map(({ expression }) => expression), ...dashboardExpressions()];
    expect(rules.length).toBeGreaterThan(10);
    expect(expressions.length).toBeGreaterThan(40);
    const asked = expressions.map((expression) => ({ expression, ...readPromql(expression) }));
    for (const { expression, metrics } of asked) expect(metrics.size, expression).toBeGreaterThan(0);
    expect(asked.flatMap(({ metrics }) => [...metrics].filter((name) => !names.has(name)))).toEqual([]);
    expect(asked.flatMap((one) => [...one.labels].filter((label) => !labels.has(label)))).toEqual([]);
  });

  it('finds what is no PromQL, and what no scrape has', () => {
    expect(() => readPromql('sum by (a (b)')).toThrow('not PromQL');
    expect([...readPromql('rate(holdfast_nonsense[5m])').metrics]).toEqual(['holdfast_nonsense']);
  });

  it('have every metric of the catalog: each comes up in a scrape, of the type and with the labels it names', async () => {
    await seedEverything(1);
    const text = await open().metrics.render(never);
    const samples = parseScrape(text);
    for (const [name, { type, labels }] of Object.entries<MetricEntry>(CATALOG)) {
      expect(text).toContain(`# TYPE ${name} ${type}\n`);
      const suffix = type === 'histogram' ? '_count' : '';
      const sample = samples.find((one) => one.name === name + suffix);
      expect(Object.keys(sample?.labels ?? {}).sort(), name).toEqual([...labels].sort());
    }
  });

  it('docs/metrics.md has the table (npm run metrics)', () => {
    const page = readFileSync(new URL('../../docs/metrics.md', import.meta.url), 'utf8');
    expect(page.split('<!-- table -->')[1]?.trim()).toBe(metricsTable());
  });
});
