import { readdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { createKeys } from '../../src/state/keys.ts';
import { openRedis, type RedisClient } from '../../src/state/redis.ts';
import { aclLine, NEEDED_COMMANDS, rehearse } from '../../src/state/redis-rights.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
let users = 0;

/** @returns opens clients of a user with these rules */
async function as(...rules: string[]): Promise<() => RedisClient> {
  users += 1;
  const name = `u${users}`;
  const admin = redis.server.client();
  await admin.call('acl', 'setuser', name, 'on', '>pw', ...rules);
  onTestFinished(async () => void (await admin.call('acl', 'deluser', name)));
  const url = `redis://${name}:pw@127.0.0.1:${redis.server.port}/0`;
  return () => openRedis({ url }, 'reader', 'test', () => undefined);
}

async function missing(rules: readonly string[], prefix = 'hf') {
  return await rehearse(await as(...rules), createKeys(prefix));
}

describe('a rehearsal of what a Redis user may do', () => {
  it.each([
    ['~* &* +@all', {}],
    ['~* +@all', { hints: ['&hf:presence:*'] }],
    ['~* &* +@all -@dangerous', { needed: ['+info'], spared: ['+config|get', '+client|list'] }],
    ['~* &* +@all -@scripting', { needed: ['+eval', '+evalsha'] }],
    ['~hf:* &* +@all', { needed: ['~{hf:bull}:*'] }],
    ['~{hf:bull}:* &* +@all', { needed: ['~hf:*'] }],
    ['~* &* +@all -@pubsub', { hints: ['+publish', '+pubsub|numsub', '+subscribe'] }],
    ['~* &* +@all -time', { needed: ['+time'] }],
    ['%R~hf:* ~{hf:bull}:* &* +@all', { needed: ['~hf:*'] }],
    ['~* &* +@read', { needed: ['+multi'], hints: ['+subscribe'] }],
  ])('names what "%s" lacks (M7, S5, G01, G26)', async (rules, lacks) => {
    const found = await missing(rules.split(' '));
    expect(found).toEqual({ needed: [], hints: [], spared: [], ...lacks });
  });

  it('looks at the keys of this installation, and not at those of another (M7)', async () => {
    const found = await missing(['~hf:*', '~{hf:bull}:*', '&hf:presence:*', '+@all'], 'other');
    expect(found.needed).toEqual(['~other:*', '~{other:bull}:*']);
    expect(found.hints).toEqual(['&other:presence:*']);
  });

  it('finds nothing missing for the user that its own rule makes', async () => {
    const rule = aclLine({ name: 'x', prefix: 'hf' }).split(' ').slice(4);
    expect(await missing(rule)).toEqual({ needed: [], hints: [], spared: [] });
  });

  it('changes nothing', async () => {
    const admin = redis.server.client();
    await admin.set('hf:{rehearsal}:key', 'kept');
    await missing(['~*', '&*', '+@all']);
    expect(await admin.get('hf:{rehearsal}:key')).toBe('kept');
    expect(await admin.dbsize()).toBe(1);
    await admin.flushall();
  });

  it('tries every command that our scripts and those of BullMQ use', () => {
    const bull = join(dirname(createRequire(import.meta.url).resolve('bullmq')), 'scripts');
    const folders = [new URL('../../src/state/scripts/', import.meta.url).pathname, bull];
    const sources = folders.flatMap((dir) =>
      readdirSync(dir)
        .filter((name) => /\.(?:lua|js)$/.test(name))
        .map((name) => readFileSync(join(dir, name), 'utf8')),
    );
    const used = new Set(
      sources.flatMap((source) =>
        [...source.matchAll(/\b(?:redis\.p?call|rcall)\(\s*['"]([A-Za-z]+)['"]/g)].map(([, name]) =>
          name?.toLowerCase(),
        ),
      ),
    );
    expect(used.size).toBeGreaterThan(40);
    // MEMORY USAGE is tried as well, and done without where it is refused.
    const tried = new Set(['memory', ...NEEDED_COMMANDS.map(([name]) => name)]);
    expect([...used].filter((name) => !tried.has(name ?? ''))).toEqual([]);
  });
});
