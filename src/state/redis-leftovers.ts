/**
 * Data on disk that a Redis which starts now would not read, and would bury: it begins empty beside them, and writes into
 * the very files. Redis itself refuses what it can see to be wrong; these it takes for a first start.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FatalError } from '../errors.ts';

/** Redis's own defaults (`appenddirname`, `appendfilename`, `dbfilename`), read 2026-11-30 in redis.conf of 7.0. */
const AOF_FOLDER = 'appendonlydir';
const MANIFEST = 'appendonly.aof.manifest';
const AOF_FILE = /^appendonly\.aof\.\d+\.(?:base|incr)\./;
const SNAPSHOT = 'dump.rdb';

/**
 * @param dataDir - of the embedded Redis, which is not running
 * @throws FatalError when data lie there that it would not read
 */
export async function assertNothingBuried(dataDir: string): Promise<void> {
  const folder = join(dataDir, AOF_FOLDER);
  const names = await readdir(folder).catch((): string[] => []);
  if (names.includes(MANIFEST)) return;
  const full: string[] = [];
  for (const name of names.filter((each) => AOF_FILE.test(each))) {
    if ((await stat(join(folder, name)).catch(() => null))?.size) full.push(name);
  }
  if (full.length > 0) {
    throw new FatalError(
      'REDIS_UNFIT',
      `${folder} has data (${full.sort().join(', ')}) and no ${MANIFEST}, without which Redis would begin empty and bury them: put the manifest back (docs/runbook.md, "Redis began empty"), or move the folder away to begin empty`,
    );
  }
  // With an append-only file Redis never looks at a snapshot.
  const hasOld = (await readdir(dataDir).catch((): string[] => [])).includes('appendonly.aof');
  if (hasOld || !((await stat(join(dataDir, SNAPSHOT)).catch(() => null))?.size ?? 0)) return;
  throw new FatalError(
    'REDIS_UNFIT',
    `${join(dataDir, SNAPSHOT)} is a snapshot, which the embedded Redis does not read: make an append-only file of it (docs/runbook.md, "Redis began empty"), or move it away to begin empty`,
  );
}
