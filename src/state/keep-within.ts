/** Keeps what connections leave in Redis within its bounds, and makes room when Redis is nearly full. */
import type { ConnectionId } from '../model.ts';
import { keyOf, type TrimmedStream } from './kept.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const script = loadScript('keep-within');
/** Connections per call: measuring a stream of a thousand entries takes Redis some 50 µs. */
const CHUNK = 50;

export interface Trimmed {
  readonly connection: ConnectionId;
  readonly what: string;
  readonly entries: number;
}

/** @returns what was removed. @throws the client's errors; safe to repeat and to race */
export async function keepWithin(
  client: RedisClient,
  keys: Keys,
  ids: readonly ConnectionId[],
  streams: readonly TrimmedStream[],
  bytesOf: (stream: TrimmedStream) => number,
): Promise<Trimmed[]> {
  const all: Trimmed[] = [];
  for (let start = 0; start < ids.length; start += CHUNK) {
    const pairs = ids.slice(start, start + CHUNK).flatMap((id) => streams.map((stream) => ({ id, stream })));
    const removed = (await runScript(
      client,
      script,
      pairs.map(({ id, stream }) => keyOf(stream, keys.connection(id))),
      pairs.map(({ stream }) => bytesOf(stream)),
    )) as number[];
    for (const [index, { id, stream }] of pairs.entries()) {
      const entries = removed[index] ?? 0;
      if (entries > 0) all.push({ connection: id, what: stream.what, entries });
    }
  }
  return all;
}
