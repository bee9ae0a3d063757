/** The configuration that the demonstration generates, with timings scaled so that all acts fit into a minute. */
import { stringify } from 'yaml';
import type { QqEmulator } from '../test/emulators/qq/index.ts';

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

const PINGS = { pingEveryMs: 1_500, pongDeadlineMs: 1_000 } as const;

/** Heartbeat interval the emulated platform asks for, ms. */
export const HEARTBEAT_INTERVAL_MS = 4_000;

/** The agent's time to think, drawn per turn, ms: long enough that every fault finds turns in flight. */
const AGENT_DELAY_MS = [300, 900] as const;

/** The secret itself is in the environment of the processes, as it should be anywhere. */
export const SECRET_VARIABLE = 'QQ_CLIENT_SECRET';

export function configText({ appId, apiBaseUrl, tokenUrl }: QqEmulator): string {
  return stringify({
    timings: TIMINGS,
    agent: { kind: 'echo', delayMs: AGENT_DELAY_MS },
    connections: [
      {
        id: 'qq-demo',
        platform: 'qq',
        appId,
        clientSecret: `\${${SECRET_VARIABLE}}`,
        apiBaseUrl,
        tokenUrl,
        ...PINGS,
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
