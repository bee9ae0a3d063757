/** `holdfast messages …`: what could not be answered or sent, another try for it, and a message of one's own. */
import { randomUUID } from 'node:crypto';
import Table from 'cli-table3';
import { listDeadMessages, retryDeadMessage } from '../state/dead-messages.ts';
import { pushMessage } from '../state/push-message.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';

export async function deadMessages(file: string | undefined, json: boolean): Promise<number> {
  const letters = await withReader(file, ({ client, keys }) => listDeadMessages(client, keys));
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

/** @param name - `<connection>/<letter>`, as `messages dead` shows it */
export async function retryMessage(file: string | undefined, name: string): Promise<number> {
  const done = await withReader(file, ({ client, keys }) => retryDeadMessage(client, keys, name));
  if (!done) {
    process.stderr.write(`holdfast: there is no dead letter "${name}"; "holdfast messages dead" names them\n`);
    return EXIT.notWell;
  }
  process.stdout.write(`${name}: back in its conversation; it is tried within seconds while workers run\n`);
  return EXIT.ok;
}

export interface MessageToSend {
  readonly connection: string;
  readonly conversation: string;
  readonly text: string;
  /** @defaultValue one that no other message has */
  readonly key?: string;
}

export async function sendMessage(file: string | undefined, message: MessageToSend): Promise<number> {
  const { connection, conversation, text, key = randomUUID() } = message;
  if (text.trim() === '') {
    process.stderr.write('holdfast: the text is blank: give one, or write it to standard input\n');
    return EXIT.cannotTell;
  }
  const pushed = await withReader(file, ({ client, keys }) =>
    pushMessage(client, keys, null, { connection, conversation, text, key }),
  );
  switch (pushed.kind) {
    case 'unknown-connection':
      process.stderr.write(
        `holdfast: there is no connection "${connection}"; "holdfast connections list" names them\n`,
      );
      return EXIT.notWell;
    case 'repeated':
      process.stdout.write(`${pushed.id}: was taken before, nothing was done\n`);
      return EXIT.ok;
    case 'queued':
      process.stdout.write(`${pushed.id}: queued; it goes out within seconds while workers and a scheduler run\n`);
      return EXIT.ok;
    default:
      return pushed satisfies never;
  }
}
