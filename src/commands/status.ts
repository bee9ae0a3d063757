import { controllerForMany } from '../async/abort.ts';
import type { StatusDocument } from '../status/document.ts';
import { allWell } from '../status/document.ts';
import { readStatus } from '../status/read-status.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';
import { connectionTable, duration } from './table.ts';
import { line, write, writeJson } from './terminal.ts';
import { troubleLines } from './trouble-lines.ts';
import { watchStatus } from './watch-status.ts';

export interface StatusFlags {
  readonly json: boolean;
  /** Until it is interrupted. */
  readonly watch: boolean;
}

/** @returns 0 all live or paused and people answered, 1 something is not; what can't be told is thrown (2) */
export async function statusCommand(file: string | undefined, { json, watch }: StatusFlags): Promise<number> {
  const read = () => withReader(file, ({ client, keys }, config) => readStatus(client, keys, config.timings));
  if (watch) {
    const interrupted = controllerForMany();
    for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(name, () => interrupted.abort());
    // Whoever reads the pipe may have seen enough, as `head` does.
    process.stdout.on('error', () => interrupted.abort());
    const inPlace = !json && process.stdout.isTTY === true;
    return await watchStatus({ read, describe, json, inPlace, write }, interrupted.signal);
  }
  const status = await read();
  if (json) writeJson(status);
  else write(describe(status));
  return allWell(status) ? EXIT.ok : EXIT.notWell;
}

function describe(status: StatusDocument): string {
  const { lastSweepAgeMs, worker } = status.scheduler;
  const judged =
    lastSweepAgeMs === null
      ? 'No scheduler has ever swept: nothing is restarted. Start "holdfast up" or "holdfast scheduler".'
      : line`Last sweep ${duration(lastSweepAgeMs)} ago by ${worker}.`;
  const workers = status.workers
    .map(
      ({ id, roles, connections, eventLoopLagMs }) =>
        line`  ${id}: ${roles.join(', ')}${roles.includes('connections') ? `, ${connections} held` : ''}, loop lag ${eventLoopLagMs} ms`,
    )
    .join('\n');
  const notes = status.workers.flatMap(({ id, configRefused, restartNeeded, notSharing }) => [
    ...(configRefused === null ? [] : [line`${id}: configuration refused, the one before goes on: ${configRefused}`]),
    ...(notSharing === null ? [] : [line`${id}: ${notSharing}`]),
    ...(restartNeeded.length === 0 ? [] : [line`${id}: restart it for what changed in: ${restartNeeded.join(', ')}`]),
  ]);
  const none = 'No connections are configured.';
  return `${troubleLines(status)}${status.connections.length === 0 ? none : connectionTable(status)}\n${judged}\n${
    workers === '' ? 'No worker is alive.' : `Workers:\n${workers}`
  }\n${notes.map((note) => `${note}\n`).join('')}`;
}
