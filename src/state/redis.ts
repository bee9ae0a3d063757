/**
 * Redis clients and the checks a Redis must pass before anything is trusted to it.
 *
 * Profiles: `queue` waits out a Redis restart (BullMQ re-sends what it must), `fenced` never does: a write that was not
 * answered has an unknown outcome, and only its sender knows how to ask again safely. `reader` gives up soon, for commands
 * that a person waits for; `subscriber` listens.
 */
import { setDefaultAutoSelectFamilyAttemptTimeout } from 'node:net';
import type { RedisOptions as BullRedisOptions } from 'bullmq';
import { type RedisOptions as AllRedisOptions, Redis } from 'ioredis';
import { explain, FatalError } from '../errors.ts';
import type { RedisUser } from './redis-rights.ts';
import { redisError } from './redis-trouble.ts';

export type RedisClient = Redis;
/**
 * Where Redis is: a `redis://` or `rediss://` URL, or the unix socket of the embedded one. With Sentinels the URL's host
 * is the name by which they know the master.
 */
export type RedisAddress =
  | { readonly url: string; readonly sentinels?: readonly { readonly host: string; readonly port: number }[] }
  | { readonly path: string };

/** ioredis's options without the reply mapping, which would change the client's type. */
type RedisOptions = Omit<AllRedisOptions, 'replyMapping'>;

export type RedisProfile = 'queue' | 'fenced' | 'reader' | 'subscriber';

/**
 * How long one address of a name may take before the next one is tried, ms; Node's 250 never reach a Redis with A and AAAA
 * records that is further away, and neither ioredis nor BullMQ pass on a number of our own (G03). Of the whole process:
 * all that speaks HTTP dials by itself (http/proxy/dial-tcp.ts). Longer than a command may take makes no sense.
 */
setDefaultAutoSelectFamilyAttemptTimeout(1_000);

const RECONNECT_CAP_MS = 500;
/**
 * A connection on which a command is not answered is given up after this, ms. Where something on the way acknowledges for
 * a Redis that is gone, TCP never does; and Sentinels may have another master by then.
 */
const SILENT_MS = 3_000;
/** The same where BullMQ blocks, for up to 10 s. */
const SILENT_WAIT_MS = 12_000;
/** Sentinels that do not answer are passed over after this, ms. */
const SENTINEL_ANSWERS_MS = 1_000;

function profileOptions(profile: RedisProfile, name: string): RedisOptions {
  const common: RedisOptions = {
    connectionName: name,
    connectTimeout: 2_000,
    keepAlive: 5_000,
    retryStrategy: (attempt) => Math.min(50 * attempt, RECONNECT_CAP_MS),
  };
  switch (profile) {
    case 'queue':
      return { ...common, maxRetriesPerRequest: null, enableOfflineQueue: true };
    case 'fenced':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        autoResendUnfulfilledCommands: false,
        commandTimeout: 1_000,
      };
    case 'subscriber':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        enableOfflineQueue: false,
        // ioredis would subscribe anew by itself, and leave a refusal unhandled.
        autoResubscribe: false,
        autoResendUnfulfilledCommands: false,
        commandTimeout: 2_000,
      };
    case 'reader':
      return {
        ...common,
        maxRetriesPerRequest: 0,
        connectTimeout: 1_500,
        commandTimeout: 1_500,
        // That Redis is loading, or refuses INFO, is for the reader to know.
        enableReadyCheck: false,
        retryStrategy: (attempt) => (attempt > 2 ? null : 100),
      };
    default:
      return profile satisfies never;
  }
}

/**
 * Connection options for BullMQ, which opens (and closes) its own clients.
 *
 * @param waits - for a worker, whose fetches block until there is a job; give it to {@link boundSilence} as well
 */
export function bullConnection(address: RedisAddress, name: string, { waits = true } = {}): BullRedisOptions {
  // The two packages type the same options differently under exactOptionalPropertyTypes.
  return clientOptions(address, 'queue', name, waits ? SILENT_WAIT_MS : SILENT_MS) as BullRedisOptions;
}

/** A BullMQ worker has one connection that blocks and one that never does, and takes options for both: this is for the latter. */
export function boundSilence(worker: { readonly backend: { readonly client: Promise<unknown> } }): void {
  worker.backend.client.then(
    (client) => {
      const { options } = client as { options: RedisOptions };
      if (options.socketTimeout !== undefined) options.socketTimeout = SILENT_MS;
    },
    // The worker tells its own errors.
    () => undefined,
  );
}

function clientOptions(
  address: RedisAddress,
  profile: RedisProfile,
  name: string,
  socketTimeout: number = SILENT_MS,
): RedisOptions {
  const options = { ...addressOptions(address), ...profileOptions(profile, name) };
  // The kernel tells the truth about a socket on this machine.
  if ('path' in address) return options;
  const { retryStrategy, sentinels } = options;
  if (sentinels === undefined || retryStrategy == null) return { ...options, socketTimeout };
  // Whoever gives up on Redis gives up on its Sentinels.
  return { ...options, socketTimeout, sentinelRetryStrategy: retryStrategy };
}

function addressOptions(address: RedisAddress): RedisOptions {
  if ('path' in address) return { path: address.path };
  const url = new URL(address.url);
  const database = url.pathname.length > 1 ? Number(url.pathname.slice(1)) : 0;
  const host = url.hostname.replace(/^\[|\]$/g, '');
  return {
    ...(address.sentinels === undefined
      ? { host, port: url.port === '' ? 6379 : Number(url.port) }
      : sentinelOptions(address.sentinels, host)),
    db: database,
    // A master that was made a replica under an open connection: behind its name, or its Sentinels, there is another by now.
    reconnectOnError: (error) => error.message.startsWith('READONLY'),
    ...(url.username === '' ? {} : { username: decodeURIComponent(url.username) }),
    ...(url.password === '' ? {} : { password: decodeURIComponent(url.password) }),
    // Who encrypts replication (`tls-replication yes`) has Sentinels that speak TLS on their one announced port.
    ...(url.protocol === 'rediss:' ? { tls: {}, sentinelTLS: {} } : {}),
  };
}

function sentinelOptions(sentinels: readonly { host: string; port: number }[], name: string): RedisOptions {
  return {
    sentinels: [...sentinels],
    name,
    sentinelCommandTimeout: SENTINEL_ANSWERS_MS,
    // Not `failoverDetector`: "+switch-master" during a reconnect ends a client of ioredis 6.0 for good (SentinelConnector
    // throws "Connection is closed", and `_connect` sets the status "end"). Instead: a master that was made a replica
    // under an open connection is left by `reconnectOnError`, and a silent one by `socketTimeout`.
    enableTLSForSentinelMode: true,
  };
}

/** Knows why it has no connection: ioredis tells each caller only that there is none. */
class TruthfulRedis extends Redis {
  /** Since it was last ready. */
  lastError: Error | null = null;
  /** This connection is in another database than the one that was asked for, which is somebody else's. */
  astray: Error | null = null;

  override sendCommand(...args: Parameters<Redis['sendCommand']>): ReturnType<Redis['sendCommand']> {
    if (this.status === 'ready' && this.astray === null) return super.sendCommand(...args);
    if (this.status === 'ready') return refused(this.astray);
    return (super.sendCommand(...args) as Promise<unknown>).catch((error: unknown) => {
      if (!(error instanceof Error) || !NO_CONNECTION.test(error.message)) throw error;
      const { lastError } = this;
      if (lastError === null) throw new Error('there is no connection to Redis');
      throw new Error(explain(lastError), { cause: lastError });
    });
  }
}

/** ioredis itself sends commands whose answer it does not wait for. */
function refused(error: Error | null): Promise<never> {
  const answer = Promise.reject(error);
  answer.catch(() => undefined);
  return answer;
}

/** What ioredis says to callers. */
const NO_CONNECTION = /writeable|Connection is closed|max retries per request/;

/**
 * Opens a client. Does not wait for the connection; errors of the connection go to `onError` (ioredis would otherwise
 * print them), commands report their own.
 */
export function openRedis(
  address: RedisAddress,
  profile: RedisProfile,
  name: string,
  onError: (error: Error) => void,
): RedisClient {
  const client = new TruthfulRedis(clientOptions(address, profile, name));
  client.on('error', (error: Error) => {
    client.lastError = error;
    // ioredis goes on in database 0.
    if (/DB index|'select'/.test(error.message)) client.astray = error;
    onError(error);
  });
  client.on('connect', () => {
    client.astray = null;
  });
  client.on('ready', () => {
    if (client.astray === null) client.lastError = null;
    else client.disconnect(true);
  });
  return client;
}

/** Why the client has no connection, as far as it was told; `null` while it has one. */
export function lastErrorOf(client: RedisClient): Error | null {
  return client instanceof TruthfulRedis ? client.lastError : null;
}

/** Who we are to Redis. */
export function userOf(client: RedisClient, prefix: string): RedisUser {
  return { name: client.options?.username || 'default', prefix };
}

export interface RedisFitness {
  readonly version: string;
  readonly runId: string;
  readonly uptimeMs: number;
  readonly durability: Durability;
}

/** How soon Redis has what it took on disk (`appendfsync`); `none`: nothing survives its restart. */
export type Durability = 'always' | 'everysec' | 'no' | 'none';

/**
 * Checks what kind of Redis it is, its version (7.0 or newer: the scripts use function flags) and eviction policy.
 *
 * @param prefix - of the keys, for the words about rights
 * @throws FatalError when Redis may evict our keys, is too old or a cluster, or refuses us; the message says what to do
 * @throws TransientError when Redis does not answer
 */
export async function checkRedis(client: RedisClient, prefix = 'hf'): Promise<RedisFitness> {
  const user = userOf(client, prefix);
  let info: string;
  try {
    info = await client.info();
  } catch (cause) {
    throw redisError(cause, user);
  }
  const field = (name: string) => new RegExp(`^${name}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  if (field('redis_mode') === 'cluster' || field('cluster_enabled') === '1')
    throw redisError(new Error('CROSSSLOT'), user);
  if (field('redis_mode') === 'sentinel') {
    throw new FatalError(
      'REDIS_UNFIT',
      "redis.url names a Sentinel; list it in redis.sentinels, and write the master's name into redis.url",
    );
  }
  const version = field('redis_version');
  if (Number(version.split('.')[0]) < 7) {
    throw new FatalError('REDIS_UNFIT', `Redis ${version} is too old: Holdfast needs 7.0 or newer`);
  }
  const policy = field('maxmemory_policy');
  if (policy !== 'noeviction') {
    throw new FatalError(
      'REDIS_UNFIT',
      `Redis has maxmemory-policy ${policy}: it may drop messages. Set "maxmemory-policy noeviction"`,
    );
  }
  return {
    version,
    runId: field('run_id'),
    uptimeMs: Number(field('uptime_in_seconds')) * 1000,
    durability: await durabilityOf(client, field('aof_enabled') === '1'),
  };
}

export async function durabilityOf(client: RedisClient, aof: boolean): Promise<Durability> {
  if (!aof) return 'none';
  try {
    const answer = (await client.config('GET', 'appendfsync')) as string[];
    const value = answer[1];
    return value === 'always' || value === 'no' ? value : 'everysec';
  } catch {
    // Hosted Redis often refuses CONFIG; everysec is what Redis itself defaults to.
    return 'everysec';
  }
}
