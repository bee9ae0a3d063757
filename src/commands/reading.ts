/** Opens the installation's Redis for one look or one wish, with a deadline over all of it. */
import { withDeadline } from '../async/abort.ts';
import { type Config, loadConfig } from '../config.ts';
import { GatewayError, TransientError } from '../errors.ts';
import { openReader, type Reader } from '../run/find-storage.ts';

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
    if (error instanceof GatewayError) throw error;
    throw new TransientError('REDIS_UNAVAILABLE', 'Redis does not answer', { cause: error });
  } finally {
    reader?.close();
  }
}

/** The reader profile keeps no offline queue of its own deadline: wait for the socket first. */
async function connected({ client }: Reader): Promise<void> {
  if (client.status === 'ready') return;
  await new Promise<void>((resolve, reject) => {
    client.once('ready', () => resolve());
    client.once('end', () => reject(new TransientError('REDIS_UNAVAILABLE', 'Redis refused the connection')));
  });
}
