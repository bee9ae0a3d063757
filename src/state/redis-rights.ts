/**
 * What a Redis user must be allowed to do, and a rehearsal of it. All commands are tried inside a transaction that is never
 * executed: Redis judges the rights of each command when it is queued (redis/redis, src/server.c, processCommand, 7.0 to 8.0,
 * read 2026-11-30), so the rehearsal needs no right of its own, and changes nothing.
 */
import type { WorkerId } from '../model.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';

/** Who asks, and for which installation. */
export interface RedisUser {
  readonly name: string;
  readonly prefix: string;
}

/** As ACL rules: `+info`, `~{hf:bull}:*`, `&hf:presence:*`. */
export interface MissingRights {
  /** Nothing works without these. */
  readonly needed: readonly string[];
  /** Presence and pokes: without them a lost worker is noticed when its leases run out, and wishes take a renewal longer. */
  readonly hints: readonly string[];
  /** What is only looked at. */
  readonly spared: readonly string[];
}

/**
 * The rule that gives a user all that is needed, to be pasted into redis-cli by somebody who may. It adds; passwords and
 * other rules of the user stay.
 */
export function aclLine({ name, prefix }: RedisUser): string {
  return `ACL SETUSER ${name} on ${keyPatterns(prefix).join(' ')} ${channelPattern(prefix)} ${COMMAND_RULES}`;
}

/** Held against the commands below by a test. */
const COMMAND_RULES =
  '+@read +@write -keys -flushdb -flushall +eval +evalsha +multi +exec +time +info +ping +select +client|setname +subscribe +unsubscribe +publish +pubsub|numsub +config|get +client|list';

function keyPatterns(prefix: string): string[] {
  return [`~${prefix}:*`, `~{${prefix}:bull}:*`];
}

function channelPattern(prefix: string): string {
  return `&${prefix}:presence:*`;
}

/** A command on a key that is never there, with as few arguments as it takes. */
type Line = readonly [command: string, ...args: string[]];

const K = '<key>';

/** Commands of our scripts and of BullMQ's, and those that are sent straight; a test finds those that are missing here. */
export const NEEDED_COMMANDS: readonly Line[] = [
  ...(
    ['del', 'exists', 'get', 'hgetall', 'hlen', 'hvals', 'incr', 'llen', 'lpop', 'persist', 'pttl', 'rpop'] as const
  ).map((name): Line => [name, K]),
  ...(['scard', 'smembers', 'type', 'unlink', 'xlen', 'zcard', 'zpopmin', 'mget'] as const).map(
    (name): Line => [name, K],
  ),
  ...(
    ['hdel', 'hexists', 'hget', 'hmget', 'incrby', 'lindex', 'lpos', 'lpush', 'pexpire', 'pexpireat', 'rpush'] as const
  ).map((name): Line => [name, K, '1']),
  ...(['sadd', 'set', 'sismember', 'smismember', 'srem', 'xdel', 'zrank', 'zrem', 'zscore'] as const).map(
    (name): Line => [name, K, '1'],
  ),
  ...(['getrange', 'hincrby', 'hmset', 'hset', 'hsetnx', 'lrange', 'lrem', 'lset', 'ltrim', 'setrange'] as const).map(
    (name): Line => [name, K, '1', '1'],
  ),
  ...(['xrange', 'xrevrange', 'zadd', 'zcount', 'zlexcount', 'zrange', 'zrangebylex', 'zrangebyscore'] as const).map(
    (name): Line => [name, K, '1', '1'],
  ),
  ...(['zremrangebyrank', 'zremrangebyscore', 'zrevrange', 'zrevrangebyscore'] as const).map(
    (name): Line => [name, K, '1', '1'],
  ),
  ['bzpopmin', K, '1'],
  ['rename', K, K],
  ['rpoplpush', K, K],
  ['xadd', K, '*', 'f', 'v'],
  ['xread', 'STREAMS', K, '0'],
  ['xtrim', K, 'MAXLEN', '1'],
  ['eval', 'return 1', '1', K],
  ['evalsha', '0000000000000000000000000000000000000000', '1', K],
  ['time'],
  ['info', 'server'],
];

interface Trial {
  readonly of: keyof MissingRights;
  /** The rules that allow the command, and its key or channel. */
  readonly command: string;
  readonly pattern: string;
  readonly line: Line;
}

function trials(keys: Keys): Trial[] {
  const { prefix, bull, alerts } = keys;
  const [own = '', ofBull = ''] = keyPatterns(prefix);
  const key = `${prefix}:{rehearsal}:key`;
  const channel = keys.presence('rehearsal' as WorkerId);
  const pattern = channelPattern(prefix);
  const families = [
    [own, `${prefix}:rehearsal`],
    [own, alerts.memory],
    [own, keys.budget('rehearsal', '1', 'x')],
    [ofBull, `${bull}:rehearsal:x`],
  ] as const;
  const onKey = ([command, ...args]: Line): Trial => ({
    of: 'needed',
    command: `+${command}`,
    pattern: own,
    line: [command, ...args.map((arg) => (arg === K ? key : arg))],
  });
  return [
    ...NEEDED_COMMANDS.map(onKey),
    ...families.flatMap(([rule, name]): Trial[] => [
      { of: 'needed', command: '+get', pattern: rule, line: ['get', name] },
      { of: 'needed', command: '+del', pattern: rule, line: ['del', name] },
    ]),
    { of: 'hints', command: '+publish', pattern, line: ['publish', channel, 'x'] },
    { of: 'hints', command: '+pubsub|numsub', pattern, line: ['pubsub', 'numsub', channel] },
    { of: 'spared', command: '+config|get', pattern, line: ['config', 'get', 'appendfsync'] },
    { of: 'spared', command: '+client|list', pattern, line: ['client', 'list'] },
    { of: 'spared', command: '+memory|usage', pattern: own, line: ['memory', 'usage', key] },
  ];
}

/**
 * @param open - makes clients for the rehearsal alone: one is left in the middle of a transaction
 * @returns what is refused
 * @throws the client's errors
 */
export async function rehearse(open: () => RedisClient, keys: Keys): Promise<MissingRights> {
  const [inTransaction, subscriber] = [open(), open()];
  try {
    const [missing, subscribes] = await Promise.all([queueAll(inTransaction, keys), trySubscribe(subscriber, keys)]);
    return { ...missing, hints: [...new Set([...missing.hints, ...subscribes])] };
  } finally {
    inTransaction.disconnect();
    subscriber.disconnect();
  }
}

async function queueAll(client: RedisClient, keys: Keys): Promise<MissingRights> {
  try {
    await client.call('multi');
  } catch (error) {
    // Without a transaction each trial would be carried out.
    if (isRefusal(error)) return { needed: ['+multi'], hints: [], spared: [] };
    throw error;
  }
  const missing = { needed: new Set<string>(), hints: new Set<string>(), spared: new Set<string>() };
  const all = trials(keys);
  const answers = await Promise.allSettled(all.map(({ line: [command, ...args] }) => client.call(command, ...args)));
  for (const [index, { of, command, pattern }] of all.entries()) {
    const answer = answers[index];
    if (answer === undefined || answer.status === 'fulfilled') continue;
    if (isRefusal(answer.reason)) missing[of].add(isAboutCommand(answer.reason) ? command : pattern);
    else if (!isReply(answer.reason)) throw answer.reason;
  }
  const spared = [...missing.spared].filter((rule) => !missing.needed.has(rule));
  return { needed: [...missing.needed], hints: [...missing.hints], spared };
}

/** Clients make subscriptions of their own, outside of any transaction. */
async function trySubscribe(client: RedisClient, keys: Keys): Promise<string[]> {
  try {
    await client.subscribe(keys.presence('rehearsal' as WorkerId));
    return [];
  } catch (error) {
    if (!isRefusal(error)) throw error;
    return [isAboutCommand(error) ? '+subscribe' : channelPattern(keys.prefix)];
  }
}

/** A command may be refused for itself, or for its key or channel; Redis says which, and may quote the name. */
function isAboutCommand({ message }: Error): boolean {
  return /\bcommand\b/.test(message.replace(/'[^']*'/g, ''));
}

function isRefusal(error: unknown): error is Error {
  return error instanceof Error && error.message.startsWith('NOPERM');
}

/** READONLY, LOADING, MISCONF and the like: no word about rights. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}
