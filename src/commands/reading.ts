/** Opens the installation's Redis for one look or one wish, with a deadline over all of it. */
import { withDeadline } from '../async/abort.ts';
import { type Config, loadConfig } from '../config.ts';
import { GatewayError } from '../errors.ts';
import { openReader, type Reader } from '../run/find-storage.ts';
import { lastErrorOf, userOf } from '../state/redis.ts';
import { redisError } from '../state/redis-trouble.ts';
import { whyCut } from '../state/redis-way.ts';

/** `status` promises an answer within 4 s, also without Redis; starting the process may take a second of it, ms. */
const DEADLINE_MS = 2_000;

/** @throws TransientError when Redis is away or slow; ConfigError for the configuration */
export async function withReader<T>(
  file: string | undefined,
  use: (reader: Reader, config: Config) => Promise<T>,
): Promise<T> {
  const config = loadConfig({ file, secrets: 'unneeded' });
  let reader: Reader | undefined;
  try {
    return await withDeadline('Redis', DEADLINE_MS, new AbortController().signal, async () => {
      reader = await openReader(config, config.file ?? undefined, process.cwd());
      await connected(reader);
      return await use(reader, config);
    });
  } catch (error) {
    throw reader === undefined || isOurs(error) ? error : await inWords(error, reader);
  } finally {
    reader?.close();
  }
}

/** Of an error that was in words already. */
function isOurs(error: unknown): boolean {
  return error instanceof GatewayError && error.code !== 'DEADLINE' && error.code !== 'REDIS_UNAVAILABLE';
}

/** The client's own last error is the truth; what a command said follows from it. */
async function inWords(error: unknown, { client, address, keys }: Reader): Promise<GatewayError> {
  const told = lastErrorOf(client) ?? error;
  const cut = client.status === 'ready' ? null : await whyCut(address);
  return redisError(cut ?? told, userOf(client, keys.prefix));
}

/** The reader profile keeps no offline queue of its own deadline: wait for the socket first. */
async function connected({ client }: Reader): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    client.once('ready', () => resolve());
    client.once('end', () => reject(lastErrorOf(client) ?? new Error('Redis closed the connection')));
  });
}
