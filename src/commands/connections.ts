/** `holdfast connections …`: look at one connection, or ask for a change. What is asked for stands in Redis. */
import Table from 'cli-table3';
import { askConnection, type Verb } from '../state/ask.ts';
import { readConnectionDetail } from '../status/connection-detail.ts';
import { readStatus } from '../status/read.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';
import { connectionTable } from './table.ts';

export const connectionsCommand = {
  async list(file: string | undefined, json: boolean): Promise<number> {
    const status = await withReader(file, ({ client, keys }, config) => readStatus(client, keys, config.timings));
    process.stdout.write(`${json ? JSON.stringify(status.connections) : connectionTable(status)}\n`);
    return EXIT.ok;
  },

  async show(file: string | undefined, id: string, json: boolean): Promise<number> {
    const found = await withReader(file, async (reader, config) => {
      const status = await readStatus(reader.client, reader.keys, config.timings);
      const connection = status.connections.find((one) => one.id === id);
      if (connection === undefined) return null;
      const detail = await readConnectionDetail(reader.client, reader.keys, connection);
      return { status: { ...status, connections: [connection] }, detail };
    });
    if (found === null) return unknown(id);
    if (json) {
      process.stdout.write(`${JSON.stringify(found.detail)}\n`);
      return EXIT.ok;
    }
    const { counters, route, fencingToken, attempt } = found.detail;
    const facts = new Table({ style: { head: [], border: [] } });
    facts.push(['route', route ?? '–'], ['fencing token', fencingToken ?? '–'], ['attempt', attempt]);
    facts.push(...Object.entries(counters));
    const history = found.detail.history.map(
      ({ at, what, detail }) => `  ${at}  ${what}${detail === null ? '' : `: ${detail}`}`,
    );
    process.stdout.write(`${connectionTable(found.status)}\n${facts}\nHistory, newest first:\n${history.join('\n')}\n`);
    return EXIT.ok;
  },

  /** @param target - `handoff` only: the worker that should have it next; anybody but the holder by default */
  async ask(file: string | undefined, id: string, verb: Verb, target: string | null = null): Promise<number> {
    const { asked, withinMs } = await withReader(file, async ({ client, keys }, { timings }) => ({
      asked: await askConnection(client, keys, id, verb, target),
      withinMs: Math.max(timings.renewEveryMs, timings.sweepEveryMs),
    }));
    switch (asked.kind) {
      case 'unknown':
        return unknown(id);
      case 'refused':
        process.stderr.write(`holdfast: ${id}: ${asked.reason}\n`);
        return EXIT.notWell;
      case 'asked':
        process.stdout.write(
          `${id}: ${verb} asked for; it takes effect within ${withinMs} ms while workers and a scheduler run\n`,
        );
        return EXIT.ok;
      default:
        return asked satisfies never;
    }
  },
};

function unknown(id: string): number {
  process.stderr.write(`holdfast: there is no connection "${id}"; "holdfast connections list" names them\n`);
  return EXIT.notWell;
}
