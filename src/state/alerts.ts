/**
 * What alerts keep in Redis: who judges (a short lease; any scheduler may), what the judge remembers, and what is still
 * to be delivered. The texts are the alerts' own; here they are opaque.
 */
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const leaseScript = loadScript('lease-alerts');
const writeScript = loadScript('write-alerts');

export interface AlertsTurn {
  /** `taken`: what is stored has to be read; `kept`: nobody else wrote since our last turn; `other`: not ours. */
  readonly kind: 'taken' | 'kept' | 'other';
  /** Redis ms. */
  readonly now: number;
}

/** @throws the client's errors; asking again is safe */
export async function takeAlertsTurn(
  client: RedisClient,
  keys: Keys,
  who: string,
  leaseMs: number,
): Promise<AlertsTurn> {
  const [kind, now] = (await runScript(client, leaseScript, [keys.alerts.lease], [who, leaseMs])) as [
    AlertsTurn['kind'],
    string,
  ];
  return { kind, now: Number(now) };
}

/** Lets others judge at once. Safe to repeat, and without having had it. @throws the client's errors */
export async function endAlertsTurn(client: RedisClient, keys: Keys, who: string): Promise<void> {
  await takeAlertsTurn(client, keys, who, 0);
}

export interface StoredAlerts {
  /** `null`: nobody has judged yet. */
  readonly memory: string | null;
  /** By name. */
  readonly deliveries: Readonly<Record<string, string>>;
}

/** @throws the client's errors */
export async function readAlerts(client: RedisClient, keys: Keys): Promise<StoredAlerts> {
  const [memory, deliveries] = await Promise.all([
    client.get(keys.alerts.memory),
    client.hgetall(keys.alerts.deliveries),
  ]);
  return { memory, deliveries };
}

export interface AlertsChange {
  /** Left out: unchanged. */
  readonly memory?: string;
  readonly done?: readonly string[];
  readonly stored?: ReadonlyMap<string, string>;
}

/**
 * All of it, or nothing.
 *
 * @returns false when somebody else judges now
 * @throws the client's errors: it is unknown then whether it is written; writing the same again is safe
 */
export async function writeAlerts(
  client: RedisClient,
  keys: Keys,
  who: string,
  { memory = '', done = [], stored = new Map() }: AlertsChange,
): Promise<boolean> {
  const { lease, memory: memoryKey, deliveries } = keys.alerts;
  const answer = await runScript(
    client,
    writeScript,
    [lease, memoryKey, deliveries],
    [who, memory, done.length, ...done, ...[...stored].flat()],
  );
  return answer === 1;
}
