/**
 * Does the model of Redis answer as Redis does? Everything that a schedule's Redis carried out is carried out again, in
 * the same order, by a real one: our scripts as they are, with the virtual time instead of its own.
 *
 * Expiry is left out there (a replay takes a second for a minute): what the model let expire is deleted instead.
 */
import type { Redis } from 'ioredis';
import type { LuaReply } from './lua.ts';
import type { Executed } from './redis-server.ts';

export interface Difference {
  readonly executed: Executed;
  readonly real: LuaReply;
}

/** Put before each script: its clock, and no expiry of its own. */
const shim = (clockKey: string) => `local redis_ = redis
local redis = { call = function(name, ...)
  if name == 'TIME' then
    local ms = tonumber(redis_.call('GET', '${clockKey}'))
    return { string.format('%.0f', math.floor(ms / 1000)), string.format('%.0f', (ms % 1000) * 1000) }
  elseif name == 'PEXPIRE' or name == 'PEXPIREAT' then
    return redis_.call('EXISTS', (...))
  end
  return redis_.call(name, ...)
end }
`;

/** Replies of these come in any order. */
const UNORDERED = new Set(['SMEMBERS', 'HGETALL']);

/**
 * @param prefix - put before every key, so that schedules share a server
 * @param ownKeys - keys that Holdfast's own code writes; others belong to the model of BullMQ
 */
export async function replay(
  client: Redis,
  journal: readonly Executed[],
  options: { readonly prefix: string; readonly ownKeys: RegExp },
): Promise<Difference[]> {
  const { prefix, ownKeys } = options;
  const clockKey = `${prefix}clock`;
  const differences: Difference[] = [];
  for (const executed of journal) {
    const { name, script, keys, args, reply, at } = executed;
    if (name === 'TIME' || !ownKeys.test((script === null ? args[0] : keys[0]) ?? '')) continue;
    await client.set(clockKey, at);
    let real: LuaReply;
    if (script !== null) {
      const [head = '', ...rest] = script.source.split('\n');
      const source = `${head}\n${shim(clockKey)}${rest.join('\n')}`;
      real = (await client.eval(source, keys.length, ...keys.map((key) => prefix + key), ...args)) as LuaReply;
    } else if (name === 'PEXPIRE') real = await client.exists(prefix + args[0]);
    else if (name === 'MGET' || name === 'DEL')
      real = (await client.call(
        name,
        args.map((key) => prefix + key),
      )) as LuaReply;
    else real = (await client.call(name, [prefix + args[0], ...args.slice(1)])) as LuaReply;
    if (canonical(name, real) !== canonical(name, reply)) differences.push({ executed, real });
  }
  return differences;
}

function canonical(name: string, reply: LuaReply): string {
  // Named after a clock, which outside of scripts is Redis's own.
  if (name === 'XADD') return String(reply).replace(/^\d+-\d+$/, 'an id');
  if (!UNORDERED.has(name) || !Array.isArray(reply)) return JSON.stringify(reply);
  const step = name === 'HGETALL' ? 2 : 1;
  const items: string[] = [];
  for (let i = 0; i < reply.length; i += step) items.push(JSON.stringify(reply.slice(i, i + step)));
  return items.sort().join();
}
