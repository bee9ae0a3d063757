/** How much of each connection waits for agents, senders and people: for metrics, in a few calls for all of them. */
import type { ConnectionId } from '../model.ts';
import { inChunks } from './evidence.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const readBacklogScript = loadScript('read-backlog');

export interface Backlog {
  readonly id: ConnectionId;
  /** Conversations with messages that wait for their turn, or whose turn runs. */
  readonly lanes: number;
  /** Redis ms: since when the oldest of them is active; `null`: none is. */
  readonly oldestLaneAt: number | null;
  /** Conversations with parts that are not sent yet. */
  readonly outboxes: number;
  /** Redis ms. */
  readonly oldestOutboxAt: number | null;
  readonly deadLetters: number;
  /** Waiting in lanes. */
  readonly pendingBytes: number;
}

/** @throws the client's errors */
export async function readBacklogs(client: RedisClient, keys: Keys, ids: readonly ConnectionId[]): Promise<Backlog[]> {
  return await inChunks(ids, async (some) => {
    const scriptKeys = some.flatMap((id) => {
      const { activeLanes, activeOutboxes, deadLetters, cursor } = keys.connection(id);
      return [activeLanes, activeOutboxes, deadLetters, cursor];
    });
    const answers = (await runScript(client, readBacklogScript, scriptKeys, [])) as Answer[];
    return some.flatMap((id, n) => {
      const answer = answers[n];
      if (answer === undefined) return [];
      const [lanes, lanesSince, outboxes, outboxesSince, deadLetters, bytes] = answer;
      const at = (text: string) => (text === '' ? null : Number(text));
      return {
        id,
        lanes,
        oldestLaneAt: at(lanesSince),
        outboxes,
        oldestOutboxAt: at(outboxesSince),
        deadLetters,
        pendingBytes: Number(bytes),
      };
    });
  });
}

type Answer = [number, string, number, string, number, string];
