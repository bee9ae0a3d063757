/**
 * A process that uses the embedded Redis of the folder in argv[2]: prints one JSON line when it has it, and another when
 * it has let go, which it does on a line on stdin. SIGINT only makes it print: a stand-in for a drain that takes time.
 */
import { once } from 'node:events';
import { createLogger } from '../../src/log.ts';
import { acquireRedis } from '../../src/state/embedded-redis.ts';

const dir = process.argv[2];
if (dir === undefined) throw new Error('usage: redis-user-process DIR');
const say = (event: string, details: object = {}) => process.stdout.write(`${JSON.stringify({ event, ...details })}\n`);

process.on('SIGINT', () => say('interrupted'));
const log = createLogger({ name: 'redis-user', level: 'silent', pretty: false });
const redis = await acquireRedis({ dir, log, signal: new AbortController().signal });
say('acquired', { path: redis.path, adopted: redis.adopted });
await once(process.stdin, 'data');
await redis.release();
say('released');
process.exit(0);
