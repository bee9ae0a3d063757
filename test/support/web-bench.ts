/**
 * The web application as tests need it: a real listener on a loopback port, a real Redis, and calls that can say anything
 * in their headers (`fetch` would not send every Host).
 */
import type { Queue } from 'bullmq';
import { pino } from 'pino';
import { request } from 'undici';
import type { WorkerId } from '../../src/model.ts';
import { namesChat } from '../../src/run/adapters.ts';
import { ConnectionDesk } from '../../src/run/connection-desk.ts';
import { createKeys } from '../../src/state/keys.ts';
import { Measurements } from '../../src/state/measurements.ts';
import { openQueue, type QueueName } from '../../src/state/queues.ts';
import { openRedis } from '../../src/state/redis.ts';
import { recordSweep } from '../../src/state/sweeps.ts';
import { reportWorker } from '../../src/state/workers.ts';
import { type MetricsSource, serveWeb } from '../../src/web/app.ts';
import { listen } from '../../src/web/listener.ts';
import { TIMINGS } from './one-worker.ts';

export interface WebBenchOptions {
  readonly path: string;
  readonly prefix: string;
  /** `null`: nobody needs one, and nothing can be changed. @defaultValue one that {@link startWebBench}'s calls show */
  readonly adminToken?: string | null;
  /** As without a token of the configuration. @defaultValue true */
  readonly localNamesOnly?: boolean;
  readonly holdsConnections?: boolean;
  readonly started?: () => boolean;
  readonly metrics?: MetricsSource;
}

export interface Call {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert what is in it
  json(): any;
}

export async function call(url: string, { method = 'GET', headers = {}, body }: Call = {}): Promise<Answer> {
  const answer = await request(url, {
    method,
    headers,
    body: body ?? null,
    headersTimeout: 10_000,
    bodyTimeout: 10_000,
  });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, json: () => JSON.parse(text) };
}

const WORKER = 'web-host/1' as WorkerId;
const OWN_TOKEN = 'a-token-that-a-test-need-not-know';

export async function startWebBench(options: WebBenchOptions) {
  const address = { path: options.path };
  const keys = createKeys(options.prefix);
  const ignore = () => undefined;
  const client = openRedis(address, 'fenced', 'test:web', ignore);
  const patient = openRedis(address, 'queue', 'test:patient', ignore);
  await patient.ping();
  const queue = (name: QueueName): Queue => openQueue(name, keys, address, ignore);
  const queues = { connections: queue('connections'), turns: queue('turns'), deliveries: queue('deliveries') };
  const lines: Record<string, unknown>[] = [];
  const log = pino({ level: 'debug' }, { write: (line: string) => lines.push(JSON.parse(line)) });
  const measurements = new Measurements();
  const { adminToken: token = OWN_TOKEN } = options;
  const own: Call['headers'] = options.adminToken === undefined ? { authorization: `Bearer ${OWN_TOKEN}` } : {};
  const listener = await listen({ host: '127.0.0.1', port: 0, onRefused: (why) => measurements.refused(why), log });
  const web = await serveWeb({
    namesChat,
    listener,
    access: { token, localNamesOnly: options.localNamesOnly ?? true },
    client,
    keys,
    queues,
    timings: TIMINGS,
    desk: new ConnectionDesk(client, keys, () => ({
      secretsPrefix: 'HOLDFAST_SECRET_',
      secretsDir: '/run/secrets-of-the-test',
    })),
    worker: WORKER,
    holdsConnections: options.holdsConnections ?? false,
    started: options.started ?? (() => true),
    version: '0.0.0-test',
    ...(options.metrics === undefined ? {} : { metrics: options.metrics }),
    log,
  });
  return {
    url: listener.url,
    keys,
    client: patient,
    queues,
    lines,
    measurements,
    /** What `call` says of itself. */
    headers: own,
    call: (path: string, { headers, ...how }: Call = {}) =>
      call(`${listener.url}${path}`, { ...how, headers: { ...own, ...headers } }),
    /** What a process and a scheduler that work write. */
    async seemAlive(): Promise<void> {
      await recordSweep(patient, keys, WORKER);
      const report = {
        roles: ['web'],
        connections: 0,
        capacity: 0,
        eventLoopLagMs: 0,
        incarnation: 'i',
        draining: false,
      };
      await reportWorker(patient, keys, WORKER, report, 60_000);
    },
    async [Symbol.asyncDispose]() {
      await web.close();
      await Promise.all(Object.values(queues).map((each) => each.close()));
      client.disconnect();
      patient.disconnect();
    },
  };
}
