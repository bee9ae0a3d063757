/** `holdfast connections …`: look at one connection, or ask for a change. What is asked for stands in Redis. */
import Table from 'cli-table3';
import { type ConnectionId, connectionId } from '../model.ts';
import type { Reader } from '../run/find-storage.ts';
import { readDesired, wishHandoff, wishPaused, wishRestart } from '../state/desired.ts';
import { readHistory } from '../state/history.ts';
import { parseLease } from '../state/leases.ts';
import { poke } from '../state/presence.ts';
import { listWorkers } from '../state/workers.ts';
import { readStatus } from '../status/read.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';
import { connectionTable } from './table.ts';

const HISTORY_SHOWN = 20;

type Verb = 'pause' | 'resume' | 'restart' | 'handoff';

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
      const history = await readHistory(reader.client, reader.keys, id as ConnectionId, HISTORY_SHOWN);
      return { status: { ...status, connections: [connection] }, connection, history };
    });
    if (found === null) return unknown(id);
    if (json) {
      process.stdout.write(`${JSON.stringify({ ...found.connection, history: found.history })}\n`);
      return EXIT.ok;
    }
    const { counters, route, fencingToken, attempt } = found.connection;
    const facts = new Table({ style: { head: [], border: [] } });
    facts.push(['route', route ?? '–'], ['fencing token', fencingToken ?? '–'], ['attempt', attempt]);
    facts.push(...Object.entries(counters));
    const history = found.history.map(
      ({ at, what, detail }) => `  ${at}  ${what}${detail === null ? '' : `: ${detail}`}`,
    );
    process.stdout.write(`${connectionTable(found.status)}\n${facts}\nHistory, newest first:\n${history.join('\n')}\n`);
    return EXIT.ok;
  },

  /** @param target - `handoff` only: the worker that should have it next; anybody but the holder by default */
  async ask(file: string | undefined, id: string, verb: Verb, target: string | null = null): Promise<number> {
    const done = await withReader(file, async (reader, config) => {
      const known = await find(reader, id);
      if (known === null) return null;
      const lease = parseLease(await reader.client.hgetall(reader.keys.connection(known).lease));
      if (verb === 'handoff') {
        const refusal = await noTaker(reader, lease.owner, target);
        if (refusal !== null) return refusal;
      }
      if (verb === 'restart') await wishRestart(reader.client, reader.keys, known);
      else if (verb === 'handoff') await wishHandoff(reader.client, reader.keys, known, { target, avoid: lease.owner });
      else await wishPaused(reader.client, reader.keys, known, verb === 'pause');
      if (lease.owner !== null) await poke(reader.client, reader.keys, `${lease.owner}#${lease.incarnation ?? ''}`);
      return Math.max(config.timings.renewEveryMs, config.timings.sweepEveryMs);
    });
    if (done === null) return unknown(id);
    process.stdout.write(
      `${id}: ${verb} asked for; it takes effect within ${done} ms while workers and a scheduler run\n`,
    );
    return EXIT.ok;
  },
};

async function find({ client, keys }: Reader, text: string): Promise<ConnectionId | null> {
  try {
    const id = connectionId(text);
    return (await readDesired(client, keys, id)) === null ? null : id;
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

/** Why a handoff would only take the connection down; `null` when somebody can take it. */
async function noTaker({ client, keys }: Reader, owner: string | null, target: string | null): Promise<string | null> {
  const workers = await listWorkers(client, keys);
  const takers = workers.filter(
    ({ id, roles, draining }) => roles.includes('connections') && !draining && id !== owner,
  );
  if (target !== null && !takers.some(({ id }) => id === target)) {
    return `worker "${target}" cannot take it: it is not alive, holds no connections, or has this one already`;
  }
  return takers.length === 0 ? 'there is no other worker that could take it' : null;
}

function unknown(id: string): number {
  process.stderr.write(`holdfast: there is no connection "${id}"; "holdfast connections list" names them\n`);
  return EXIT.notWell;
}
