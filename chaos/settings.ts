/** How big the installation under test is, how its people talk, and on which timings it runs. */
import type { BotAccount, QqEmulator } from '../test/emulators/qq/index.ts';
import { SCALED_PINGS, SCALED_TIMINGS } from '../test/support/installation.ts';

export const CONNECTIONS = 5;
/** Private chats and groups per bot. */
export const PEOPLE = 6;
export const GROUPS = 2;
/** Every so often one chat, drawn by lot, says 1 to {@link BURST} messages at once. ms */
export const TALK_EVERY_MS = 100;
export const BURST = 4;
/** The agent's time to think, drawn per turn, ms. */
export const AGENT_DELAY_MS = [0, 2_000] as const;

export const WORKER_GROUPS = 2;
/** Each of agent workers, delivery workers and schedulers. */
export const OTHERS_PER_ROLE = 2;

/** Children of each worker. One of them may be starting when the next fault comes: the others stand by. */
export function childrenPerGroup(scaled: boolean): number {
  return scaled ? 2 : 3;
}

/** Hello asks for this interval between heartbeats, ms: as on the wire, or short with the scaled timings. */
export function heartbeatIntervalMs(scaled: boolean): number {
  return scaled ? 1_000 : 41_250;
}

export function accounts(count: number = CONNECTIONS): BotAccount[] {
  return Array.from({ length: count }, (_, n) => ({
    appId: `10200000${n + 1}`,
    clientSecret: `chaos-secret-${n + 1}`,
  }));
}

export function connectionName(place: number): string {
  return `qq-${place + 1}`;
}

/** What goes into holdfast.yaml besides the address of Redis. Empty timings are the defaults. */
export function installationOf({ apiBaseUrl, tokenUrl }: QqEmulator, scaled: boolean, count: number = CONNECTIONS) {
  return {
    timings: scaled ? SCALED_TIMINGS : {},
    agent: { kind: 'echo', delayMs: AGENT_DELAY_MS },
    connections: accounts(count).map(({ appId, clientSecret }, place) => ({
      id: connectionName(place),
      platform: 'qq',
      appId,
      clientSecret,
      apiBaseUrl,
      tokenUrl,
      ...(scaled ? SCALED_PINGS : {}),
    })),
  };
}
