/**
 * Loads the Lua scripts beside this file and runs them by their SHA. Each script's header lists KEYS, ARGV with units,
 * and what comes back.
 */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { RedisClient } from './redis.ts';

export interface Script {
  readonly name: string;
  readonly source: string;
  readonly sha: string;
}

/** @throws when the file is missing: a broken build must not start */
export function loadScript(name: string): Script {
  const source = readFileSync(new URL(`./scripts/${name}.lua`, import.meta.url), 'utf8');
  return { name, source, sha: createHash('sha1').update(source).digest('hex') };
}

/**
 * Runs a script; loads it first when this Redis does not know it yet (new server, flushed cache).
 *
 * @throws ReplyError for an error the script itself returned; a connection's own error when there was no answer, in
 *   which case it is unknown whether the script ran
 */
export async function runScript(
  client: RedisClient,
  script: Script,
  keys: readonly string[],
  args: readonly (string | number)[],
): Promise<unknown> {
  try {
    return await client.evalsha(script.sha, keys.length, ...keys, ...args);
  } catch (error) {
    if (error instanceof Error && error.message.startsWith('NOSCRIPT')) {
      return await client.eval(script.source, keys.length, ...keys, ...args);
    }
    throw error;
  }
}
