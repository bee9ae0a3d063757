/** `holdfast messages …`: what could not be answered or sent, another try for it, and a message of one's own. */
import { randomUUID } from 'node:crypto';
import { namesChat } from '../run/adapters.ts';
import { listDeadMessages, retryDeadMessage } from '../state/dead-messages.ts';
import { pushMessage } from '../state/push-message.ts';
import { isBlank } from '../text/blank.ts';
import { bounded } from '../text/bounded.ts';
import { EXIT } from './exit-codes.ts';
import { withReader } from './reading.ts';
import { line, refuse, table, write, writeJson } from './terminal.ts';

/** Of a message, UTF-16 units; `--json` has it whole. */
const TEXT_SHOWN = 200;

export async function deadMessages(file: string | undefined, json: boolean): Promise<number> {
  const letters = await withReader(file, ({ client, keys }) => listDeadMessages(client, keys));
  if (json) {
    writeJson(letters);
    return EXIT.ok;
  }
  const rows = letters.map(({ id, at, kind, outcome, code, reason, text }) => [
    id,
    at,
    `${kind}: ${outcome}`,
    `${reason} (${code})`,
    bounded(text, TEXT_SHOWN),
  ]);
  const drawn = table(rows, { head: ['id', 'at', 'outcome', 'why', 'text'], widths: [null, null, null, 36, 36] });
  write(letters.length === 0 ? 'No dead letters.\n' : `${drawn}\n`);
  return EXIT.ok;
}

/** @param name - `<connection>/<letter>`, as `messages dead` shows it */
export async function retryMessage(file: string | undefined, name: string): Promise<number> {
  const done = await withReader(file, ({ client, keys }) => retryDeadMessage(client, keys, name));
  if (!done) {
    refuse`there is no dead letter "${name}"; "holdfast messages dead" names them`;
    return EXIT.notWell;
  }
  write(line`${name}: back in its conversation; it is tried within seconds while workers run\n`);
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
  if (isBlank(text)) {
    refuse`the text is blank: give one, or write it to standard input`;
    return EXIT.cannotTell;
  }
  const pushed = await withReader(file, ({ client, keys }) =>
    pushMessage(client, keys, namesChat, null, { connection, conversation, text, key }),
  );
  switch (pushed.kind) {
    case 'unknown-connection':
      refuse`there is no connection "${connection}"; "holdfast connections list" names them`;
      return EXIT.notWell;
    case 'no-chat':
      refuse`"${conversation}" names no chat of ${pushed.platform}; chats are named as in chat:4711 or c2c:OPENID`;
      return EXIT.cannotTell;
    case 'repeated':
      write(line`${pushed.id}: was taken before, nothing was done\n`);
      return EXIT.ok;
    case 'queued':
      write(line`${pushed.id}: queued; it goes out within seconds while workers and a scheduler run\n`);
      return EXIT.ok;
    default:
      return pushed satisfies never;
  }
}
