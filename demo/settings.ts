/** The configuration that the demonstration generates, with timings scaled so that all acts fit into a minute or so. */
import { stringify } from 'yaml';
import type { QqEmulator } from '../test/emulators/qq/index.ts';
import type { TelegramEmulator } from '../test/emulators/telegram/index.ts';
import type { IdleCuttingProxy } from '../test/support/idle-cutting-proxy.ts';
import type { PlatformName } from './crowd.ts';

/** About a third of the defaults; long enough for two busy cores. All ms. */
const TIMINGS = {
  leaseMs: 3_000,
  renewEveryMs: 700,
  sweepEveryMs: 400,
  presenceGapMs: 300,
  stalledEveryMs: 500,
  jobLockMs: 8_000,
  turnLockMs: 2_500,
  backoffBaseMs: 300,
  backoffCapMs: 3_000,
  healthyAfterMs: 3_000,
  dialTimeoutMs: 1_500,
  drainMs: 6_000,
} as const;

/** How long the proxy bears with idle tunnels at first, ms: no act is as long. */
export const PATIENT_PROXY_MS = 600_000;
/** And how long from the quiet moment on, ms. What is much shorter would not count as an idle cut. */
export const PROXY_IDLE_MS = 1_800;
/** Seldom enough that the proxy's patience ends before. */
const PINGS = { pingEveryMs: 2_400, pongDeadlineMs: 1_000 } as const;

/** Heartbeat interval the emulated QQ asks for, ms. */
export const HEARTBEAT_INTERVAL_MS = 4_000;

/** The agent's time to think, drawn per turn, ms: long enough that every fault finds turns in flight. */
const AGENT_DELAY_MS = [300, 900] as const;

/** The secrets themselves are in the environment of the processes, as they should be anywhere. */
export const SECRET_VARIABLES: Readonly<Record<PlatformName, string>> = {
  qq: 'QQ_CLIENT_SECRET',
  telegram: 'TELEGRAM_BOT_TOKEN',
};

/** Ids of the connections. */
export const CONNECTIONS: Readonly<Record<PlatformName, string>> = { qq: 'qq-demo', telegram: 'tg-demo' };

export interface Surroundings {
  readonly qq: QqEmulator;
  readonly telegram: TelegramEmulator;
  readonly proxy: IdleCuttingProxy;
}

export function configText({ qq: { appId, apiBaseUrl, tokenUrl }, telegram, proxy }: Surroundings): string {
  return stringify({
    timings: TIMINGS,
    agent: { kind: 'echo', delayMs: AGENT_DELAY_MS },
    http: false,
    connections: [
      {
        id: CONNECTIONS.qq,
        platform: 'qq',
        appId,
        clientSecret: `\${${SECRET_VARIABLES.qq}}`,
        apiBaseUrl,
        tokenUrl,
        proxy: proxy.url,
        ...PINGS,
      },
      {
        id: CONNECTIONS.telegram,
        platform: 'telegram',
        token: `\${${SECRET_VARIABLES.telegram}}`,
        apiBaseUrl: telegram.url,
        proxy: proxy.url,
      },
    ],
  });
}

/** For the reader of the output. */
export function timingsInWords(): string {
  const { leaseMs, backoffCapMs, dialTimeoutMs } = TIMINGS;
  const { pingEveryMs } = PINGS;
  const s = (ms: number) => `${ms / 1_000} s`;
  return `Timings are scaled down: lease ${s(leaseMs)} (default 6 s), backoff cap ${s(backoffCapMs)} (15 s), dial ${s(dialTimeoutMs)} (5 s), ping every ${s(pingEveryMs)} (8 s).`;
}
