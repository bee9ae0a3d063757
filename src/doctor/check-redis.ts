/** Is what Redis holds safe there, and is there room? Decisions about what was read; pure. */

import { tooLittleRoom } from '../state/kept.ts';
import { aclLine, type MissingRights, type RedisUser } from '../state/redis-rights.ts';
import type { RedisSetup } from '../state/redis-setup.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';

/** From here on ingest refuses new messages. */
const FULL = 0.8;
const NEARLY_FULL = 0.6;

export function judgeRedis(setup: RedisSetup, sentinels: boolean): Finding[] {
  return [version(setup), eviction(setup), durability(setup), memory(setup), replicas(setup, sentinels)];
}

function version({ version: found }: RedisSetup): Finding {
  return Number(found.split('.')[0]) >= 7
    ? ok('redis.version', `Redis ${found}`)
    : fail('redis.version', `Redis ${found} is too old`, 'upgrade to 7.0 or newer: the scripts need it');
}

function eviction({ evictionPolicy, evictedKeys }: RedisSetup): Finding {
  if (evictionPolicy !== 'noeviction') {
    const fix = 'CONFIG SET maxmemory-policy noeviction, and the same in redis.conf';
    return fail('redis.eviction', `maxmemory-policy is ${evictionPolicy}: Redis may drop messages`, fix);
  }
  if (evictedKeys === 0) return ok('redis.eviction', 'maxmemory-policy is noeviction');
  const message = `${evictedKeys} keys were dropped since Redis started, when the policy was another one`;
  return warn('redis.eviction', message, 'look for dead letters and gaps of that time; nothing can bring them back');
}

function durability({ durability: found, aof }: RedisSetup): Finding {
  if (!aof.enabled) {
    const fix = 'CONFIG SET appendonly yes, and the same in redis.conf';
    return warn('redis.durability', 'no append-only file: what Redis holds dies with it', fix);
  }
  if (!aof.healthy) {
    const fix = 'look at the disk of Redis: full, read-only or broken; then at its log';
    return fail('redis.durability', 'Redis could not write or rewrite its append-only file', fix);
  }
  if (found === 'no') {
    const fix = 'CONFIG SET appendfsync always (or everysec), and the same in redis.conf';
    return warn('redis.durability', 'appendfsync is no: a power loss costs what the system had not yet written', fix);
  }
  if (found === 'everysec') {
    return ok('redis.durability', 'append-only file, written every second: a power loss may cost the last one');
  }
  return ok('redis.durability', 'append-only file, written before Redis answers');
}

function memory({ usedBytes, maxBytes }: RedisSetup): Finding {
  const used = `${Math.ceil(usedBytes / 1_048_576)} MiB`;
  if (maxBytes === null) {
    const fix = 'set maxmemory below what the machine has: then a flood waits at the platform instead of ending Redis';
    return warn('redis.memory', `${used} used, and no maxmemory is set`, fix);
  }
  const part = usedBytes / maxBytes;
  const message = `${used} of ${Math.floor(maxBytes / 1_048_576)} MiB used (${Math.round(part * 100)} %)`;
  const fix =
    'find out what waits (status: dead letters, lanes), or raise maxmemory; from 80 % on messages wait at the platform';
  if (part >= FULL) return fail('redis.memory', message, fix);
  return part >= NEARLY_FULL ? warn('redis.memory', message, fix) : ok('redis.memory', message);
}

/** @param connections - how many are desired */
export function judgeRoom({ maxBytes }: RedisSetup, connections: number): Finding {
  const words = tooLittleRoom(connections, maxBytes);
  const fix = 'raise maxmemory (redis.maxMemoryBytes for the embedded Redis), or hold fewer connections with one Redis';
  return words === null
    ? ok('redis.room', 'there is room for what the connections may keep')
    : warn('redis.room', words, fix);
}

function replicas({ role, replicas: count, minReplicas }: RedisSetup, sentinels: boolean): Finding {
  if (role === 'slave') {
    return fail(
      'redis.replicas',
      'this Redis is a replica: it takes no writes',
      'name the master in redis.url, or set redis.sentinels',
    );
  }
  if (!sentinels) {
    return count === 0
      ? skipped('redis.replicas', 'a single Redis: there is nobody to fail over to')
      : ok('redis.replicas', `${count} replicas`);
  }
  if (count === 0)
    return warn(
      'redis.replicas',
      'Sentinels, and no replica is connected',
      'start a replica: there is nobody to fail over to',
    );
  if (minReplicas === null || minReplicas > 0) return ok('redis.replicas', `${count} replicas, with Sentinels`);
  const fix = 'min-replicas-to-write 1 and min-replicas-max-lag 2 on all of them (docs/configuration.md)';
  return warn('redis.replicas', 'a master that is cut off from its replicas goes on taking writes', fix);
}

/** Whether our user may do all that we do there. */
export function judgeRights(user: RedisUser, { needed, hints, spared }: MissingRights): Finding[] {
  const lacks = (rules: readonly string[]) => `the Redis user "${user.name}" lacks ${rules.join(' ')}`;
  const fix = `let it: ${aclLine(user)}`;
  if (needed.length > 0) return [fail('redis.rights', `${lacks([...needed, ...hints])}: nothing can work`, fix)];
  if (hints.length > 0) {
    const cost = 'a lost worker is noticed only when its leases run out, and wishes take effect with the next renewal';
    return [fail('redis.rights', `${lacks(hints)}: ${cost}`, fix)];
  }
  if (spared.length > 0) {
    const cost = 'Holdfast can do without, and takes a little longer to be sure that a worker is lost';
    return [ok('redis.rights', `${lacks(spared)}; ${cost}`)];
  }
  return [ok('redis.rights', `the Redis user "${user.name}" may do all that is needed`)];
}
