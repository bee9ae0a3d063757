/**
 * BullMQ as Holdfast uses it, as a model: what its scripts do to its keys, on the same keyspace, and what its classes do
 * with the answers. Instants of delayed jobs come from the clocks of those who ask, as in BullMQ.
 *
 * job-queue.test.ts compares it with a real BullMQ.
 */
import type { LuaReply } from './lua.ts';
import type { RedisServer } from './redis-server.ts';

/** BullMQ keeps twelve bits below the instant of a delayed job. */
const SCORE_SHIFT = 0x1000;

export interface FetchedJob {
  readonly id: string;
  readonly data: string;
}

/** What BullMQ's Lua scripts do; each method is one atomic step at the server. */
export class JobScripts {
  readonly #prefix: string;
  readonly #listeners = new Set<() => void>();
  /** Wake-ups for blocked fetchers: each wakes one. */
  #markers = 0;

  constructor(prefix: string, name: string) {
    this.#prefix = `${prefix}:${name}`;
  }

  key(name: string): string {
    return `${this.#prefix}:${name}`;
  }

  /** A blocked fetcher. @returns how to stop waiting */
  block(wake: () => void): () => void {
    if (this.#markers > 0) {
      this.#markers = 0;
      wake();
      return () => undefined;
    }
    this.#listeners.add(wake);
    return () => this.#listeners.delete(wake);
  }

  add({ keyspace }: RedisServer, id: string, data: string, delayMs: number, now: number): void {
    if (keyspace.call('EXISTS', [this.key(id)]) === 1) return;
    keyspace.call('HSET', [this.key(id), 'data', data]);
    if (delayMs > 0) this.#delay(keyspace, id, now + delayMs, delayMs);
    else this.#wait(keyspace, id, 'LPUSH');
  }

  /** @returns the job, or when the next delayed one is due (by the asker's clock), or `null` */
  fetch({ keyspace }: RedisServer, token: string, lockMs: number, now: number): FetchedJob | number | null {
    const due = keyspace.call('ZRANGEBYSCORE', [this.key('delayed'), '0', String((now + 1) * SCORE_SHIFT - 1)]);
    for (const id of texts(due)) {
      keyspace.call('ZREM', [this.key('delayed'), id]);
      this.#wait(keyspace, id, 'LPUSH');
    }
    const id = keyspace.call('RPOP', [this.key('wait')]);
    if (typeof id !== 'string') {
      const [, next] = texts(keyspace.call('ZREVRANGE', [this.key('delayed'), '-1', '-1', 'WITHSCORES']));
      return next === undefined ? null : Math.floor(Number(next) / SCORE_SHIFT);
    }
    keyspace.call('LPUSH', [this.key('active'), id]);
    keyspace.call('SET', [this.#lock(id), token, 'PX', String(lockMs)]);
    if (keyspace.call('LLEN', [this.key('wait')]) !== 0) this.#mark();
    return { id, data: String(keyspace.call('HGET', [this.key(id), 'data']) ?? '') };
  }

  /** @throws Error as BullMQ when the lock is not `token`'s */
  delay({ keyspace }: RedisServer, id: string, token: string, now: number, delayMs: number): void {
    this.#leaveActive(keyspace, id, token);
    this.#delay(keyspace, id, now + delayMs, delayMs);
  }

  /** @throws Error when it is not delayed */
  promote({ keyspace }: RedisServer, id: string): void {
    if (keyspace.call('ZREM', [this.key('delayed'), id]) !== 1)
      throw new Error(`Job ${id} is not in the delayed state`);
    this.#wait(keyspace, id, 'LPUSH');
  }

  /** Completed or failed, with removal. @throws as {@link delay} */
  finish({ keyspace }: RedisServer, id: string, token: string): void {
    this.#leaveActive(keyspace, id, token);
    keyspace.call('DEL', [this.key(id)]);
  }

  /** @throws as {@link delay} */
  putBack({ keyspace }: RedisServer, id: string, token: string): void {
    this.#leaveActive(keyspace, id, token);
    this.#wait(keyspace, id, 'RPUSH');
  }

  /** @returns the ids whose lock was lost */
  extendLocks({ keyspace }: RedisServer, ids: readonly string[], tokens: readonly string[], lockMs: number): string[] {
    return ids.filter((id, index) => {
      const token = tokens[index] ?? '';
      if (keyspace.call('GET', [this.#lock(id)]) !== token) return true;
      keyspace.call('SET', [this.#lock(id), token, 'PX', String(lockMs)]);
      keyspace.call('SREM', [this.key('stalled'), id]);
      return false;
    });
  }

  /** Two looks: who was active at the last one and has no lock now goes back. */
  checkStalled({ keyspace }: RedisServer, everyMs: number): void {
    const mine = keyspace.call('SET', [this.key('stalled-check'), '1', 'PX', String(everyMs), 'NX']);
    if (mine !== 'OK') return;
    for (const id of texts(keyspace.call('SMEMBERS', [this.key('stalled')]))) {
      if (keyspace.call('EXISTS', [this.#lock(id)]) === 1) continue;
      if (keyspace.call('LREM', [this.key('active'), '1', id]) === 1) this.#wait(keyspace, id, 'RPUSH');
    }
    keyspace.call('DEL', [this.key('stalled')]);
    const active = texts(keyspace.call('LRANGE', [this.key('active'), '0', '-1']));
    if (active.length > 0) keyspace.call('SADD', [this.key('stalled'), ...active]);
  }

  /** Does nothing while the job is locked. */
  remove({ keyspace }: RedisServer, id: string): void {
    if (keyspace.call('EXISTS', [this.#lock(id)]) === 1) return;
    for (const list of ['wait', 'active']) keyspace.call('LREM', [this.key(list), '1', id]);
    keyspace.call('ZREM', [this.key('delayed'), id]);
    keyspace.call('DEL', [this.key(id)]);
  }

  #lock(id: string): string {
    return `${this.key(id)}:lock`;
  }

  #leaveActive(keyspace: RedisServer['keyspace'], id: string, token: string): void {
    if (keyspace.call('EXISTS', [this.key(id)]) !== 1) throw new Error(`Missing key for job ${id}. finished`);
    const lock = keyspace.call('GET', [this.#lock(id)]);
    if (lock === null) throw new Error(`Missing lock for job ${id}. finished`);
    if (lock !== token) throw new Error(`Lock mismatch for job ${id}. Cmd finished from active`);
    keyspace.call('DEL', [this.#lock(id)]);
    keyspace.call('SREM', [this.key('stalled'), id]);
    if (keyspace.call('LREM', [this.key('active'), '1', id]) !== 1) {
      throw new Error(`Job ${id} is not in the active state. finished`);
    }
  }

  #delay(keyspace: RedisServer['keyspace'], id: string, until: number, delayMs: number): void {
    keyspace.call('HSET', [this.key(id), 'delay', String(delayMs)]);
    keyspace.call('ZADD', [this.key('delayed'), String(Math.floor(until) * SCORE_SHIFT), id]);
    this.#mark();
  }

  #wait(keyspace: RedisServer['keyspace'], id: string, end: 'LPUSH' | 'RPUSH'): void {
    keyspace.call(end, [this.key('wait'), id]);
    this.#mark();
  }

  #mark(): void {
    const [first] = this.#listeners;
    if (first === undefined) {
      this.#markers = 1;
      return;
    }
    this.#listeners.delete(first);
    first();
  }
}

function texts(reply: LuaReply): string[] {
  return Array.isArray(reply) ? reply.map(String) : [];
}
