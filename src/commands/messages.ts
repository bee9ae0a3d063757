/** `holdfast messages …`: what could not be answered or sent, and another try for it. */
import Table from 'cli-table3';
import { type ConnectionId, connectionId } from '../model.ts';
import type { Reader } from '../run/find-storage.ts';
import { type DeadLetter, listDeadLetters } from '../state/dead-letters.ts';
import { listConnectionIds, redisNow } from '../state/desired.ts';
import { retryTurnLetter } from '../state/lanes.ts';
import { retrySendLetter } from '../state/outbox.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';

/** Newest letters shown per connection. */
const SHOWN = 100;

export async function deadMessages(file: string | undefined, json: boolean): Promise<number> {
  const letters = await withReader(file, async ({ client, keys }) => {
    const ids = await listConnectionIds(client, keys);
    const found = await Promise.all(
      ids.map(async (id) => (await listDeadLetters(client, keys, id, SHOWN)).map((letter) => describe(id, letter))),
    );
    return found.flat();
  });
  if (json) {
    process.stdout.write(`${JSON.stringify(letters)}\n`);
    return EXIT.ok;
  }
  const table = new Table({
    head: ['id', 'at', 'outcome', 'why', 'text'],
    style: { head: [], border: [] },
    wordWrap: true,
    colWidths: [null, null, null, 36, 36],
  });
  for (const { id, at, kind, outcome, code, reason, text } of letters) {
    table.push([id, at, `${kind}: ${outcome}`, `${reason} (${code})`, text.slice(0, 200)]);
  }
  process.stdout.write(letters.length === 0 ? 'No dead letters.\n' : `${table}\n`);
  return EXIT.ok;
}

function describe(connection: ConnectionId, { id, at, body: _, ...letter }: DeadLetter) {
  return { id: `${connection}/${id}`, connection, at: new Date(at).toISOString(), ...letter };
}

/** @param name - `<connection>/<letter>`, as `messages dead` shows it */
export async function retryMessage(file: string | undefined, name: string): Promise<number> {
  const done = await withReader(file, (reader) => retry(reader, name));
  if (!done) {
    process.stderr.write(`holdfast: there is no dead letter "${name}"; "holdfast messages dead" names them\n`);
    return EXIT.notWell;
  }
  process.stdout.write(`${name}: back in its conversation; it is tried within seconds while workers run\n`);
  return EXIT.ok;
}

/** Waking is left to the sweep, which finds every lane that has work and no job. */
async function retry({ client, keys }: Reader, name: string): Promise<boolean> {
  const [connection = '', letterId = ''] = name.split('/');
  const id = (await listConnectionIds(client, keys)).find((known) => known === connection);
  if (id === undefined) return false;
  const letter = (await listDeadLetters(client, keys, connectionId(connection))).find((one) => one.id === letterId);
  if (letter === undefined) return false;
  const woken =
    letter.kind === 'turn'
      ? await retryTurnLetter(client, keys, id, letter)
      : await retrySendLetter(client, keys, id, letter, await redisNow(client));
  return woken !== null;
}
