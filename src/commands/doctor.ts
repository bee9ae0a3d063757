/** `holdfast doctor`: what is wrong, what it means, and what to do. */
import { join } from 'node:path';
import { type Config, loadConfig } from '../config.ts';
import { type DoctorOptions, examine } from '../doctor/doctor.ts';
import { type DoctorReport, type Finding, reportOf } from '../doctor/finding.ts';
import { type Evidence, gather } from '../doctor/gather.ts';
import { ConfigError, explain } from '../errors.ts';
import { createLogger } from '../log.ts';
import { createAdapters } from '../run/adapters.ts';
import type { ChatWay } from '../run/alerts.ts';
import { workingFolders } from '../run/find-storage.ts';
import { EMBEDDED_DIR } from '../run/storage.ts';
import type { Keys } from '../state/keys.ts';
import { type LaneJobData, openQueue } from '../state/queues.ts';
import { openRedis, type RedisAddress, type RedisClient, userOf } from '../state/redis.ts';
import { rehearse } from '../state/redis-rights.ts';
import { EXIT } from './exit-codes.ts';
import { withProgress } from './progress.ts';
import { withReader } from './reading.ts';
import { line, write, writeJson } from './terminal.ts';

export interface DoctorFlags {
  readonly json: boolean;
  /** Really sends a test notification to each sink. */
  readonly alerts: boolean;
}

/** @returns 0 nothing failed, 1 something did; what keeps it from looking at all is thrown (2) */
export async function doctorCommand(file: string | undefined, { json, alerts }: DoctorFlags): Promise<number> {
  const { config, problems } = loadWhatCanBe(file);
  const folders = await workingFolders(config.file ?? undefined, process.cwd());
  const report = await withProgress('looking at everything', async () => {
    const examined = (looked: Looked) =>
      examine(
        {
          config,
          problems,
          ...looked,
          folders: folders.map((folder) => join(folder, EMBEDDED_DIR)),
          adapters: createAdapters(),
          sendAlerts: alerts,
          log: createLogger({ level: 'silent', name: 'doctor' }),
        },
        new AbortController().signal,
      );
    return reportOf(await withEvidence(file, alerts, examined), new Date());
  });
  if (json) writeJson(report);
  else write(inWords(report));
  return report.ok ? EXIT.ok : EXIT.notWell;
}

/** With its secrets if possible; without them much can be looked at all the same. @throws ConfigError when not even that */
function loadWhatCanBe(file: string | undefined): { config: Config; problems: readonly string[] } {
  try {
    return { config: loadConfig({ file }), problems: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    try {
      return { config: loadConfig({ file, secrets: 'unneeded' }), problems: error.problems };
    } catch {
      // All of them, not only those that show without secrets.
      throw error;
    }
  }
}

type Looked = Pick<DoctorOptions, 'evidence' | 'whyNot' | 'rights'>;

async function withEvidence<T>(
  file: string | undefined,
  alerts: boolean,
  use: (looked: Looked) => Promise<T>,
): Promise<T> {
  let evidence: Evidence | null = null;
  let whyNot: string | null = null;
  let rights: Looked['rights'] = null;
  let close = async (): Promise<void> => undefined;
  try {
    evidence = await withReader(file, async ({ client, keys, address }, { timings }) => {
      rights = await rightsOf(client, keys, address);
      if (!alerts) return await gather(client, keys, timings, null);
      const way = openChatWay(address, keys);
      close = way.close;
      return await gather(client, keys, timings, way);
    });
  } catch (error) {
    whyNot = explain(error);
  }
  try {
    return await use({ evidence, whyNot, rights });
  } finally {
    await close();
  }
}

/** Asked first: what is refused would keep the rest from being read. */
async function rightsOf(client: RedisClient, keys: Keys, address: RedisAddress): Promise<Looked['rights']> {
  if ('path' in address) return null;
  const open = () => openRedis(address, 'reader', 'holdfast:rehearsal', () => undefined);
  return { user: userOf(client, keys.prefix), missing: await rehearse(open, keys) };
}

/** Clients of their own: what is read has a deadline that sends are not bound to. */
function openChatWay(address: RedisAddress, keys: Keys): ChatWay & { close(): Promise<void> } {
  const ignore = () => undefined;
  const client = openRedis(address, 'queue', 'holdfast:doctor', ignore);
  const deliveries = openQueue<LaneJobData>('deliveries', keys, address, ignore);
  return {
    client,
    keys,
    deliveries,
    async close() {
      await deliveries.close();
      client.disconnect();
    },
  };
}

const MARKS: Readonly<Record<Finding['status'], string>> = { ok: 'ok', warn: 'WARN', fail: 'FAIL', skipped: 'skip' };

/** A line for each finding, and below it what to do; last the sum, which is what one looks at first. */
function inWords({ findings, counts }: DoctorReport): string {
  const lines = findings.map(({ check, subject, status, message, fix }) => {
    const whom = subject === null ? '' : line` (${subject})`;
    const todo = fix === null ? '' : line`\n        → ${fix}`;
    return `${MARKS[status].padEnd(5)} ${line`${check}`}${whom}: ${line`${message}`}${todo}`;
  });
  const sum = `${counts.ok} ok, ${counts.warn} warnings, ${counts.fail} failed, ${counts.skipped} skipped`;
  return `${lines.join('\n')}\n\n${sum}\n`;
}
