/** Alerts as configured: sinks, timings, and the loop beside the sweeps. */
import type { Logger } from 'pino';
import { runAlerting } from '../alerts/alerting.ts';
import { createChatSink } from '../alerts/sinks/chat.ts';
import { createLogSink } from '../alerts/sinks/log.ts';
import type { Sink } from '../alerts/sinks/sink.ts';
import { createSlackSink } from '../alerts/sinks/slack.ts';
import { createWebhookSink } from '../alerts/sinks/webhook.ts';
import { childController } from '../async/abort.ts';
import type { AlertSinkConfig, Config } from '../config.ts';
import type { ProxyEnvironment } from '../http/proxy/route.ts';
import { createTransport } from '../http/transport.ts';
import { connectionId } from '../model.ts';
import type { Keys } from '../state/keys.ts';
import type { LaneQueue } from '../state/lane-jobs.ts';
import type { RedisClient } from '../state/redis.ts';
import { SWEEP_LATE_MS } from '../status/thresholds.ts';
import type { LiveConfig } from './live-config.ts';
import type { ProcessIdentity } from './process-identity.ts';
import type { Storage } from './storage.ts';

export interface AlertsOptions {
  readonly live: LiveConfig;
  readonly storage: Storage;
  readonly identity: ProcessIdentity;
  readonly log: Logger;
}

/** Looks are rarer than sweeps, which must be quick; an alert may come a moment late. */
const LOOKS_PER_DOWN = 20;
const LOOK_EVERY_MS = { least: 500, most: 2_000 };
/** Of `alerts.downAfterMs` and at most so long, ms: connections lost together are told together. */
const GROUP_MS = 5_000;
const RECOVER_AFTER_MS = 5_000;

/** Runs until `signal` aborts, with other settings when others are configured. Never throws. */
export async function runAlerts(options: AlertsOptions, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    using turn = childController(signal);
    const forget = options.live.onChange(({ groups }) => {
      if (groups.includes('alerts')) turn.abort(new Error('alerts are configured otherwise'));
    });
    await runAsConfigured(options, options.live.current, turn.signal);
    forget();
  }
}

async function runAsConfigured(
  { storage, identity, log }: AlertsOptions,
  config: Config,
  signal: AbortSignal,
): Promise<void> {
  const { downAfterMs, repeatEveryMs } = config.alerts;
  const everyMs = Math.min(LOOK_EVERY_MS.most, Math.max(LOOK_EVERY_MS.least, downAfterMs / LOOKS_PER_DOWN));
  const way = { client: storage.fenced, keys: storage.keys, deliveries: storage.deliveries };
  const configured = config.alerts.sinks.map((sink) => openSink(sink, config.proxyEnvironment, way));
  const sinks = [createLogSink(log), ...configured.filter((sink) => sink !== null)];
  await runAlerting(
    {
      client: storage.fenced,
      keys: storage.keys,
      who: identity.presence,
      sinks,
      settings: {
        downAfterMs,
        repeatEveryMs,
        groupMs: Math.min(GROUP_MS, downAfterMs / 4),
        recoverAfterMs: Math.min(RECOVER_AFTER_MS, downAfterMs / 4),
        sweepLateMs: SWEEP_LATE_MS,
      },
      timings: config.timings,
      everyMs,
      log,
    },
    signal,
  );
}

/** What a notification that goes through a chat needs. */
export interface ChatWay {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly deliveries: LaneQueue;
}

/** @returns `null` when `sink` is a chat and there is no way to it */
export function openSink(sink: AlertSinkConfig, proxyEnvironment: ProxyEnvironment, way: ChatWay | null): Sink | null {
  const { name } = sink;
  if (sink.kind === 'chat') {
    if (way === null) return null;
    const { client, keys, deliveries } = way;
    const connection = connectionId(sink.connection);
    return createChatSink({ name, connection, conversation: sink.conversation, client, keys, deliveries });
  }
  const { http } = createTransport({ proxy: sink.proxy, environment: proxyEnvironment });
  switch (sink.kind) {
    case 'webhook':
      return createWebhookSink({ name, url: sink.url, secret: sink.secret, http });
    case 'slack':
      return createSlackSink({ name, url: sink.webhookUrl, http });
    default:
      return sink satisfies never;
  }
}
