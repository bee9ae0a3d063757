/**
 * What is known of events that may kill whoever reads them: which one was about to be read, and how often that was the
 * end. Written only while events are read one by one (workers/careful-reading.ts).
 */
import type { ConnectionId, FencingToken } from '../model.ts';
import { DEAD_LETTERS_KEPT, deadLetterFields } from './dead-letters.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const begin = loadScript('begin-reading');
const end = loadScript('end-reading');

/** An event is set aside at the second death: one may be anybody's bad moment. */
const DEATHS_THAT_SET_ASIDE = 2;
/** Of its text, UTF-16 units. */
const TEXT_KEPT = 64 * 1024;

export type BegunReading =
  | { readonly kind: 'fenced' }
  /** `deaths`: so many holders began to read it and were not heard of again. */
  | { readonly kind: 'read'; readonly deaths: number }
  /** It lies among the dead letters and must be passed over. `now`: put there by this call. */
  | { readonly kind: 'poison'; readonly deaths: number; readonly now: boolean };

/**
 * @param event.position - the same at each replay
 * @param event.raw - as it came
 * @throws the client's errors; safe to repeat
 */
export async function beginReading(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  token: FencingToken,
  event: { readonly position: string; readonly raw: string },
): Promise<BegunReading> {
  const at = keys.connection(id);
  const letter = deadLetterFields({
    kind: 'event',
    outcome: 'crashed',
    code: 'POISON',
    reason: `its reader died of it ${DEATHS_THAT_SET_ASIDE} times (position ${event.position}); it was passed over`,
    text: event.raw.slice(0, TEXT_KEPT).toWellFormed(),
    conversation: '',
    body: { position: event.position },
  });
  const answer = (await runScript(
    client,
    begin,
    [at.lease, at.reading, at.deadLetters, at.counters],
    [token, event.position, DEATHS_THAT_SET_ASIDE, DEAD_LETTERS_KEPT, ...letter],
  )) as ['fenced'] | ['read', number] | ['poison', number, string];
  switch (answer[0]) {
    case 'fenced':
      return { kind: 'fenced' };
    case 'read':
      return { kind: 'read', deaths: answer[1] };
    case 'poison':
      return { kind: 'poison', deaths: answer[1], now: answer[2] === '1' };
    default:
      return answer satisfies never;
  }
}

/** What was noted last has been read. @throws the client's errors; safe to repeat */
export async function endReading(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
  token: FencingToken,
): Promise<void> {
  const at = keys.connection(id);
  await runScript(client, end, [at.lease, at.reading], [token]);
}
