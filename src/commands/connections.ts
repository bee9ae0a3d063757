/** `holdfast connections …`: look at one connection, or ask for a change. What is asked for stands in Redis. */
import { ConnectionDesk } from '../run/connection-desk.ts';
import { askConnection, type Verb } from '../state/ask.ts';
import type { Written } from '../state/runtime-connections.ts';
import { readConnectionDetail } from '../status/connection-detail.ts';
import { readStatus } from '../status/read-status.ts';
import { readKeys } from './connection-keys.ts';
import { connectionStory } from './connection-story.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';
import { connectionTable } from './table.ts';
import { line, refuse, table, write, writeJson } from './terminal.ts';

const written: Readonly<Record<Written, { readonly code: number; readonly says: string }>> = {
  added: { code: EXIT.ok, says: 'added; a worker takes it within seconds' },
  replaced: { code: EXIT.ok, says: 'changed; it reconnects, with its session kept where the platform allows' },
  removed: { code: EXIT.ok, says: 'removed; waiting messages stay, and go on when it returns' },
  exists: {
    code: EXIT.notWell,
    says: 'there is one of this id already; "connections set" changes it, "add --replace" replaces it',
  },
  configured: {
    code: EXIT.notWell,
    says: 'belongs to the configuration file; change it there, and running processes take it over',
  },
  unknown: {
    code: EXIT.notWell,
    says: 'there is no such connection that was added at run time; "holdfast connections list" names all',
  },
};

export const connectionsCommand = {
  /** @param keys - `key=value`, as in the file; secrets by reference */
  async add(file: string | undefined, id: string, keys: readonly string[], replace: boolean): Promise<number> {
    const given = { id, ...readKeys(keys) };
    return tell(id, await atDesk(file, (desk) => desk.write(given, replace ? 'put' : 'add')));
  },

  /** @param keys - `key=value`; `key=` takes the key away */
  async set(file: string | undefined, id: string, keys: readonly string[]): Promise<number> {
    return tell(id, await atDesk(file, (desk) => desk.change(id, readKeys(keys))));
  },

  async remove(file: string | undefined, id: string): Promise<number> {
    return tell(id, await atDesk(file, (desk) => desk.remove(id)));
  },

  async list(file: string | undefined, json: boolean): Promise<number> {
    const status = await withReader(file, ({ client, keys }, config) => readStatus(client, keys, config.timings));
    if (json) writeJson(status.connections);
    else write(`${connectionTable(status)}\n`);
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
      writeJson(found.detail);
      return EXIT.ok;
    }
    const { counters, route, fencingToken, attempt } = found.detail;
    const facts = table([
      ['route', route ?? '–'],
      ['fencing token', fencingToken ?? '–'],
      ['attempt', attempt],
      ...Object.entries(counters),
    ]);
    const story = connectionStory(found.detail, Date.parse(found.status.at));
    write(`${connectionTable(found.status)}\n${facts}\n${story}\n`);
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
        refuse`${id}: ${asked.reason}`;
        return EXIT.notWell;
      case 'asked':
        write(
          line`${id}: ${verb} asked for; it takes effect within ${withinMs} ms while workers and a scheduler run\n`,
        );
        return EXIT.ok;
      default:
        return asked satisfies never;
    }
  },
};

async function atDesk<T>(file: string | undefined, run: (desk: ConnectionDesk) => Promise<T>): Promise<T> {
  return await withReader(file, ({ client, keys }, { runtime }) =>
    run(new ConnectionDesk(client, keys, () => runtime)),
  );
}

function tell(id: string, done: Written): number {
  const { code, says } = written[done];
  if (code === EXIT.ok) write(line`${id}: ${says}\n`);
  else refuse`${id}: ${says}`;
  return code;
}

function unknown(id: string): number {
  refuse`there is no connection "${id}"; "holdfast connections list" names them`;
  return EXIT.notWell;
}
