/** Waits for a Redis that may be trusted with messages, and says meanwhile what it waits for. */
import type { Logger } from 'pino';
import { sleep } from '../async/abort.ts';
import { explain, FatalError, type TransientError } from '../errors.ts';
import type { Keys } from '../state/keys.ts';
import {
  checkRedis,
  lastErrorOf,
  openRedis,
  type RedisAddress,
  type RedisClient,
  type RedisFitness,
  userOf,
} from '../state/redis.ts';
import { aclLine, rehearse } from '../state/redis-rights.ts';
import { redisError } from '../state/redis-trouble.ts';
import { whyCut } from '../state/redis-way.ts';

export interface FitOptions {
  readonly client: RedisClient;
  readonly address: RedisAddress;
  readonly keys: Keys;
  readonly embedded: boolean;
  /** Whether the rights of our user are tried; in the embedded one nothing is refused. */
  readonly rehearses: boolean;
  readonly log: Logger;
}

const RETRY_MS = 1_000;
/** A port that cuts us is asked why at most so often, ms. */
const ASK_WHY_EVERY_MS = 5_000;

/**
 * @throws FatalError when waiting would not help
 * @throws the signal's reason
 */
export async function waitUntilFit(options: FitOptions, signal: AbortSignal): Promise<void> {
  const { client, embedded, log } = options;
  const why = askingWhy(options);
  const startedAt = performance.now();
  for (let told = ''; ; ) {
    signal.throwIfAborted();
    try {
      const { durability, version } = await checkAll(options);
      if (durability === 'none' || durability === 'no') {
        log.warn({ event: 'redis-not-durable', durability }, 'Redis has no AOF: messages it holds die with it');
      }
      log.info({ event: 'redis', version, durability, embedded }, 'Redis is fit');
      return;
    } catch (error) {
      const reason = explain(await why(error));
      // The first command may come before the socket is up; that is no trouble yet.
      if (reason !== told && performance.now() - startedAt > RETRY_MS) {
        log.warn({ event: 'redis-away', reason }, 'waiting for Redis');
        told = reason;
      }
    }
    await sleep(client.status === 'ready' ? RETRY_MS : 50, { signal });
  }
}

/** @returns what keeps us waiting. @throws FatalError when waiting would not help */
function askingWhy({ client, address, keys }: FitOptions): (error: unknown) => Promise<TransientError> {
  let askedAt = Number.NEGATIVE_INFINITY;
  let known: Error | null = null;
  return async (error) => {
    if (error instanceof FatalError) throw error;
    const told = lastErrorOf(client) ?? error;
    const isCut = /ECONNRESET|EPIPE|ETIMEDOUT|closed/.test(explain(told));
    if (isCut && performance.now() - askedAt > ASK_WHY_EVERY_MS) {
      askedAt = performance.now();
      known = await whyCut(address);
    }
    const classified = redisError((isCut ? known : null) ?? told, userOf(client, keys.prefix));
    if (classified instanceof FatalError) throw classified;
    return classified as TransientError;
  };
}

async function checkAll(options: FitOptions): Promise<RedisFitness> {
  const rehearses = options.rehearses && !options.embedded;
  try {
    const fitness = await checkRedis(options.client, options.keys.prefix);
    if (rehearses) await checkRights(options);
    return fitness;
  } catch (error) {
    // INFO is only the first that is refused: whoever corrects the rule wants to know of all.
    const refused = error instanceof FatalError && error.code === 'REDIS_REFUSED';
    if (refused && rehearses) await checkRights(options);
    throw error;
  }
}

/** Says once what we can do without. @throws FatalError naming what we cannot, and the rule that gives it */
async function checkRights({ client, address, keys, log }: FitOptions): Promise<void> {
  const user = userOf(client, keys.prefix);
  const open = () => openRedis(address, 'reader', 'holdfast:rehearsal', () => undefined);
  const { needed, hints, spared } = await rehearse(open, keys);
  const acl = aclLine(user);
  const lacks = (rules: readonly string[]) => `the Redis user "${user.name}" lacks ${rules.join(' ')}`;
  if (needed.length > 0) throw new FatalError('REDIS_REFUSED', `${lacks(needed)}; let it: ${acl}`);
  if (hints.length > 0) {
    const cost = 'a lost worker is noticed when its leases run out, and wishes take effect with the next renewal';
    log.warn({ event: 'redis.rights', missing: hints, acl }, `${lacks(hints)}: ${cost}; let it: ${acl}`);
  }
  if (spared.length > 0) {
    log.info({ event: 'redis.rights', missing: spared }, `${lacks(spared)}, which Holdfast can do without`);
  }
}
