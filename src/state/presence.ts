/**
 * Presence: each worker keeps one Redis connection subscribed to a channel of its own. The kernel closes it when the
 * process dies, so a missing subscriber *suspects* a worker within moments; it proves nothing by itself.
 *
 * And it counts only where it provably works: a user without the right to channels, a proxy in front of Redis, a server that
 * is only like Redis, all let a living worker look absent. So a worker asks about itself first, and says in its report
 * whether it is seen; whoever looks for others is subscribed, too, and believes no answer in which it is missing itself.
 */
import { sleep } from '../async/abort.ts';
import { explain } from '../errors.ts';
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import { openRedis, type RedisAddress, type RedisClient } from './redis.ts';

export interface Presence {
  /** Redis itself has just said, or said a moment ago, that we are subscribed. */
  readonly proven: boolean;
  close(): void;
}

/** How often we ask about ourselves, ms: a subscription whose connection is dead on the way says nothing by itself. */
const ASK_EVERY_MS = 3_000;

/**
 * Subscribes, and calls `onPoke` whenever somebody wants this worker to look at the wishes in Redis at once. What is
 * wished stands in Redis; a poke that gets lost only costs the time until the next renewal.
 *
 * @param name - `<worker>#<incarnation>`
 * @param onError - why it is not seen; called once per reason until it is seen again
 * @param onChange - called when {@link Presence.proven} has changed
 */
export function announcePresence(
  address: RedisAddress,
  keys: Keys,
  name: string,
  onPoke: () => void,
  onError: (reason: string) => void,
  onChange: () => void = () => undefined,
): Presence {
  const channel = keys.presence(name as WorkerId);
  const closing = new AbortController();
  let proven = false;
  let told: string | null = null;
  const tell = (reason: string | null): void => {
    if (reason !== null && reason !== told && !closing.signal.aborted) onError(reason);
    told = reason;
  };
  const set = (now: boolean): void => {
    if (now === proven) return;
    proven = now;
    if (!closing.signal.aborted) onChange();
  };
  const client = openRedis(address, 'subscriber', `holdfast:presence:${name}`, (error) => tell(explain(error)));

  const prove = async (): Promise<void> => {
    try {
      if (!proven) await client.subscribe(channel);
      const seen = (await subscribers(client, [channel])).get(channel) ?? 0;
      set(seen > 0);
      tell(proven ? null : 'Redis does not count subscribers as they are');
    } catch (error) {
      set(false);
      tell(explain(error));
    }
  };
  const watch = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      await sleep(ASK_EVERY_MS, { signal: closing.signal }).catch(() => undefined);
      if (client.status === 'ready') await prove();
    }
  };

  client.on('message', onPoke);
  client.on('ready', () => void prove());
  client.on('close', () => set(false));
  // Never rejects.
  void watch();
  return {
    get proven() {
      return proven;
    },
    close() {
      closing.abort();
      client.disconnect();
    },
  };
}

/**
 * @param names - `<worker>#<incarnation>`
 * @returns those that are subscribed
 * @throws the client's errors
 */
export async function presentWorkers(
  client: RedisClient,
  keys: Keys,
  names: readonly string[],
): Promise<ReadonlySet<string>> {
  if (names.length === 0) return new Set();
  const counts = await subscribers(
    client,
    names.map((name) => keys.presence(name as WorkerId)),
  );
  return new Set(names.filter((name) => (counts.get(keys.presence(name as WorkerId)) ?? 0) > 0));
}

async function subscribers(client: RedisClient, channels: readonly string[]): Promise<ReadonlyMap<string, number>> {
  const answer = (await client.pubsub('NUMSUB', ...channels)) as (string | number)[];
  return new Map(channels.map((channel, index) => [channel, Number(answer[2 * index + 1])]));
}

/**
 * The processes that have any connection to Redis, as their names tell: `<worker>#<incarnation>`.
 *
 * @returns `null`: Redis does not say
 */
export async function connectedProcesses(client: RedisClient): Promise<ReadonlySet<string> | null> {
  try {
    const list = String(await client.client('LIST', 'TYPE', 'NORMAL'));
    return new Set([...list.matchAll(/ name=holdfast:\w+:(\S+#\w+) /g)].map(([, name]) => name ?? ''));
  } catch {
    // Many a hosted Redis refuses it; then more time must pass.
    return null;
  }
}

/** Never throws: a poke that gets lost only costs time. @see announcePresence */
export async function poke(client: RedisClient, keys: Keys, name: string): Promise<void> {
  await client.publish(keys.presence(name as WorkerId), 'look').catch(() => undefined);
}
