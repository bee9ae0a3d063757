/**
 * Holdfast's way of an event from the socket to Redis, with a clock at both ends: the QQ adapter and the inbound pump as
 * they are, under a lease that nobody contests. Only here is the moment known at which a frame arrived.
 */
import { pino } from 'pino';
import { PlatformClock } from '../../src/adapters/platform-clock.ts';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import { systemClock } from '../../src/async/clock.ts';
import { createTransport } from '../../src/http/transport.ts';
import { connectionId, type FencingToken, type WorkerId } from '../../src/model.ts';
import { createKeys } from '../../src/state/keys.ts';
import { claimLease } from '../../src/state/leases.ts';
import { openQueue } from '../../src/state/queues.ts';
import { openRedis } from '../../src/state/redis.ts';
import { HealthRecorder } from '../../src/workers/health-recorder.ts';
import { createInboundPump } from '../../src/workers/inbound-pump.ts';
import { obey } from '../support/child.ts';
import type { InboundOrders, InboundSettings } from '../support/inbound.ts';

const { redisUrl, gateway } = JSON.parse(process.argv[2] ?? '{}') as InboundSettings;
const log = pino({ level: 'silent' });
const id = connectionId('bot-0');
const address = { url: redisUrl };
const keys = createKeys('bench');
const redis = openRedis(address, 'fenced', 'bench', () => undefined);
await new Promise((resolve) => redis.once('ready', resolve));
const claim = await claimLease(
  redis,
  keys,
  id,
  { worker: 'bench/1' as WorkerId, incarnation: '1', jobToken: 'bench/1.1-1' },
  3_600_000,
);
if (claim.kind !== 'granted') throw new Error('the lease is taken');
const token: FencingToken = claim.token;

let arrivals: number[] = [];
let latencies: number[] = [];
const adapter = createQqAdapter();
const pump = createInboundPump({
  connection: id,
  token,
  cursor: null,
  redis,
  keys,
  turns: openQueue('turns', keys, address, () => undefined),
  log,
  dedupeWindowMs: adapter.capabilities.dedupeWindowMs,
  assertHeld: () => undefined,
  onFenced(error) {
    throw error;
  },
  onStored(_lagMs, events) {
    const now = performance.now();
    // One event at a time at this rate, and in order in any case.
    for (const at of arrivals.splice(0, events)) latencies.push(now - at);
  },
});

const transport = createTransport({ proxy: 'direct', environment: {} });
const forever = new AbortController().signal;
const { apiBaseUrl, tokenUrl } = gateway;
let live: () => void = () => undefined;
const isLive = new Promise<void>((resolve) => {
  live = resolve;
});
adapter
  .hold({
    connectionId: id,
    options: { appId: '102000000', apiBaseUrl, tokenUrl },
    secrets: { clientSecret: 'secret-of-bot-0' },
    cursor: null,
    sink: pump,
    health: new HealthRecorder(systemClock, 5_000, (state) => {
      if (state.name === 'live') live();
    }),
    gate: { pass: async () => 1, proven: () => undefined },
    budget: { take: async () => ({ granted: true }) },
    transport: {
      ...transport,
      http: transport.http,
      routeOf: (url) => transport.routeOf(url),
      openWebSocket: (request, listener) =>
        transport.openWebSocket(request, {
          opened: () => listener.opened(),
          binary: (data) => listener.binary(data),
          pong: () => listener.pong(),
          ended: (end) => listener.ended(end),
          text(text) {
            // Answers to heartbeats are shorter, and READY comes before anything is measured.
            if (text.length > 300) arrivals.push(performance.now());
            listener.text(text);
          },
        }),
    },
    reading: { active: false, one: () => Promise.reject(new Error('nothing is read one by one here')) },
    platformClock: new PlatformClock(),
    clock: systemClock,
    log,
    assertHeld: () => undefined,
    dialTimeoutMs: 5_000,
    drain: forever,
    signal: forever,
  })
  .catch((error: unknown) => {
    throw error;
  });

obey<InboundOrders>({
  async live() {
    await isLive;
    return {};
  },
  begin() {
    arrivals = [];
    latencies = [];
    return {};
  },
  latencies: () => ({ latencies }),
});
