/** Alerting on a real Redis, with connections whose evidence the test writes: what is judged is what status reads. */
import { type AlertingOptions, runAlerting } from '../../src/alerts/alerting.ts';
import type { Sink } from '../../src/alerts/sinks/sink.ts';
import { createWebhookSink } from '../../src/alerts/sinks/webhook.ts';
import { createHttpClient } from '../../src/http/client.ts';
import type { Logger } from '../../src/log.ts';
import { type ConnectionId, connectionId, type FencingToken, type WorkerId } from '../../src/model.ts';
import { applyDesired } from '../../src/state/desired.ts';
import type { Heartbeat } from '../../src/state/heartbeats.ts';
import { createKeys, type Keys } from '../../src/state/keys.ts';
import { claimLease, renewLeases } from '../../src/state/leases.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { recordSweep } from '../../src/state/sweeps.ts';
import { reportWorker, type WorkerReport } from '../../src/state/workers.ts';
import type { AlertReceiver } from './alert-receiver.ts';
import { quiet } from './inbound.ts';
import type { TestRedis } from './redis.ts';
import { waitUntil } from './wait-until.ts';

const WORKER = 'bench/1' as WorkerId;
/** No renewal is due while a test runs. */
const LEASE_MS = 600_000;
/** Evidence stays fresh as long as the lease; only what a test writes changes the state. */
export const BENCH_TIMINGS = { renewEveryMs: 300_000, sweepEveryMs: 1_000 };
export const BENCH_SETTINGS = {
  downAfterMs: 400,
  repeatEveryMs: 3_600_000,
  groupMs: 150,
  recoverAfterMs: 100,
  sweepLateMs: 600_000,
};
export const BENCH_BACKOFF = { baseMs: 100, capMs: 200, factor: 1 };

const HEARTBEAT: Heartbeat = {
  state: 'live',
  reason: null,
  stateAgeMs: 0,
  dueInMs: null,
  attempt: 0,
  roundTripAgeMs: 10,
  frameAgeMs: 10,
  route: 'direct',
  remark: null,
  maxSilenceMs: 60_000,
};

export class AlertBench implements AsyncDisposable {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly prefix: string;
  readonly #redis: TestRedis;
  readonly #tokens = new Map<ConnectionId, FencingToken>();
  readonly #running: {
    readonly controller: AbortController;
    readonly done: Promise<void>;
    readonly client: RedisClient;
  }[] = [];

  constructor(redis: TestRedis, prefix: string) {
    this.#redis = redis;
    this.prefix = prefix;
    this.keys = createKeys(prefix);
    this.client = openRedis({ path: redis.path }, 'queue', 'bench', () => {});
  }

  /** Connections that are live, and a sweep. */
  static async start(redis: TestRedis, prefix: string, ids: readonly string[]): Promise<AlertBench> {
    const bench = new AlertBench(redis, prefix);
    const { client, keys } = bench;
    const wanted = ids.map((id) => ({
      id: connectionId(id),
      platform: 'test',
      enabled: true,
      options: {},
      lateReply: 'active' as const,
      fingerprint: 'f',
      source: 'config' as const,
    }));
    await applyDesired(client, keys, wanted, { removeOthers: false });
    await recordSweep(client, keys, WORKER);
    await bench.staff(['agent', 'delivery']);
    for (const { id } of wanted) {
      const claim = await claimLease(
        client,
        keys,
        id,
        { worker: WORKER, incarnation: 'i', jobToken: `${WORKER}.i-1` },
        LEASE_MS,
      );
      if (claim.kind !== 'granted') throw new Error(`the lease of ${id} is taken`);
      bench.#tokens.set(id, claim.token);
      await bench.say(id, {});
    }
    return bench;
  }

  /** Who is there to work, for as long as a test runs. */
  async staff(roles: readonly string[], more: Partial<WorkerReport> = {}): Promise<void> {
    const report = {
      roles,
      connections: 0,
      capacity: 0,
      eventLoopLagMs: 0,
      incarnation: 'i',
      draining: false,
      ...more,
    };
    await reportWorker(this.client, this.keys, WORKER, report, LEASE_MS);
  }

  /** Writes the holder's evidence. */
  async say(id: string, change: Partial<Heartbeat>): Promise<void> {
    const token = this.#tokens.get(connectionId(id));
    if (token === undefined) throw new Error(`the bench has no connection ${id}`);
    const heartbeat = JSON.stringify({ ...HEARTBEAT, ...change });
    await renewLeases(this.client, this.keys, [{ id: connectionId(id), token, heartbeat, change: null }], LEASE_MS);
  }

  async lose(id: string, reason = 'connection refused (ECONNREFUSED 10.0.0.1:443)'): Promise<void> {
    await this.say(id, { state: 'waiting', reason, dueInMs: 1_000 });
  }

  async restore(id: string, events = 0): Promise<void> {
    if (events > 0) await this.client.hincrby(this.keys.connection(connectionId(id)).counters, 'events', events);
    await this.say(id, {});
  }

  /** One process that judges. @returns stops it, and gives its turn back */
  alerting(sinks: readonly Sink[], change: Partial<AlertingOptions> & { log?: Logger } = {}): () => Promise<void> {
    const controller = new AbortController();
    const client = openRedis({ path: this.#redis.path }, 'fenced', 'alerting', () => {});
    const who = `bench/${this.#running.length + 1}#incarnation`;
    const settings = { ...BENCH_SETTINGS, ...change.settings };
    const done = runAlerting(
      {
        client,
        keys: this.keys,
        who,
        sinks,
        timings: BENCH_TIMINGS,
        everyMs: 30,
        leaseMs: 2_000,
        backoff: BENCH_BACKOFF,
        log: quiet,
        ...change,
        settings,
      },
      controller.signal,
    );
    this.#running.push({ controller, done, client });
    return async () => {
      controller.abort();
      await done;
      client.disconnect();
    };
  }

  /** Waits until somebody judges and has stored a first look. */
  async watched(): Promise<void> {
    await waitUntil('a first look', async () => (await this.client.get(this.keys.alerts.memory)) !== null);
  }

  /** Waits until nothing is left to deliver. */
  async delivered(): Promise<void> {
    await waitUntil('all to be delivered', async () => (await this.client.hlen(this.keys.alerts.deliveries)) === 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { controller } of this.#running) controller.abort();
    await Promise.all(this.#running.map(({ done }) => done));
    for (const { client } of this.#running) client.disconnect();
    this.client.disconnect();
  }
}

export function webhookTo({ url, secret }: Pick<AlertReceiver, 'url' | 'secret'>, name = 'webhook-1'): Sink {
  return createWebhookSink({ name, url, secret, http: createHttpClient() });
}
