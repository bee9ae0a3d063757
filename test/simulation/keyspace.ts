/**
 * The Redis commands that Holdfast uses, on data in memory, under virtual time. Replies are those of the protocol. An
 * unknown command or option is an error, never a guess; differential.ts compares all of it with a real Redis.
 */
import type { LuaReply } from './lua.ts';

type Stored =
  | { readonly is: 'string'; value: string }
  | { readonly is: 'hash'; readonly value: Map<string, string> }
  | { readonly is: 'list'; readonly value: string[] }
  | { readonly is: 'set'; readonly value: Set<string> }
  | { readonly is: 'zset'; readonly value: Map<string, number> }
  | { readonly is: 'stream'; readonly value: { readonly id: string; readonly fields: readonly string[] }[] };
type Kind = Stored['is'];
type ValueOf<K extends Kind> = Extract<Stored, { is: K }>['value'];
type Entry = Stored & { expiresAt: number };

export type Command = (args: readonly string[]) => LuaReply;

/** What a Redis short of memory refuses outside of scripts. */
export const DENY_OOM: ReadonlySet<string> = new Set(
  'HSET HINCRBY HSETNX RPUSH LPUSH SADD ZADD XADD INCR INCRBY SET'.split(' '),
);

export class Keyspace {
  readonly #data = new Map<string, Entry>();
  /** Redis ms. */
  readonly #now: () => number;
  readonly #onExpired: (key: string) => void;
  #streamId = 0;

  /** @param onExpired - told when a key is found to have expired */
  constructor(now: () => number, onExpired: (key: string) => void = () => {}) {
    this.#now = now;
    this.#onExpired = onExpired;
  }

  call(command: string, args: readonly string[]): LuaReply {
    const run = this.#commands[command];
    if (run === undefined) throw new Error(`the model of Redis has no ${command}`);
    return run(args);
  }

  #entry(key: string): Entry | undefined {
    const entry = this.#data.get(key);
    if (entry === undefined || entry.expiresAt > this.#now()) return entry;
    this.#data.delete(key);
    this.#onExpired(key);
    return undefined;
  }

  #read<K extends Kind>(key: string, is: K): ValueOf<K> | undefined {
    const entry = this.#entry(key);
    if (entry === undefined) return undefined;
    if (entry.is !== is) throw new Error(`WRONGTYPE ${key} is a ${entry.is}`);
    return entry.value as never;
  }

  #write<K extends Kind>(key: string, is: K, make: () => ValueOf<K>): ValueOf<K> {
    const known = this.#read(key, is);
    if (known !== undefined) return known;
    const value = make();
    this.#data.set(key, { is, value, expiresAt: Number.POSITIVE_INFINITY } as unknown as Entry);
    return value;
  }

  #hash(key: string): Map<string, string> {
    return this.#write(key, 'hash', () => new Map());
  }

  #list(key: string): string[] {
    return this.#write(key, 'list', () => []);
  }

  /** Redis has no empty collections. */
  #tidy(key: string): void {
    const entry = this.#data.get(key);
    if (entry === undefined || entry.is === 'string' || entry.is === 'stream') return;
    if ((Array.isArray(entry.value) ? entry.value.length : entry.value.size) === 0) this.#data.delete(key);
  }

  #expire(key: string, at: number): number {
    const entry = this.#entry(key);
    if (entry === undefined) return 0;
    entry.expiresAt = at;
    return 1;
  }

  #increase(key: string, by: number): number {
    const value = Number(this.#read(key, 'string') ?? '0') + by;
    const entry = this.#entry(key);
    if (entry?.is === 'string') entry.value = String(value);
    else this.#data.set(key, { is: 'string', value: String(value), expiresAt: Number.POSITIVE_INFINITY });
    return value;
  }

  /** By score, then by name, as Redis orders them. */
  #ranked(key: string): [string, number][] {
    const all = [...(this.#read(key, 'zset') ?? [])];
    return all.sort(([a, x], [b, y]) => x - y || (a < b ? -1 : 1));
  }

  #inScores(key: string, low: string, high: string): [string, number][] {
    const bound = (text: string) =>
      text.endsWith('inf') ? Number(`${text.replace('inf', 'Infinity')}`) : Number(text.replace('(', ''));
    const above = (score: number) => (low.startsWith('(') ? score > bound(low) : score >= bound(low));
    const below = (score: number) => (high.startsWith('(') ? score < bound(high) : score <= bound(high));
    return this.#ranked(key).filter(([, score]) => above(score) && below(score));
  }

  #remove<K extends 'hash' | 'set' | 'zset'>(key: string, is: K, members: readonly string[]): number {
    const from = this.#read(key, is);
    if (from === undefined) return 0;
    const removed = members.filter((member) => from.delete(member)).length;
    this.#tidy(key);
    return removed;
  }

  #setString([key = '', value = '', ...options]: readonly string[]): LuaReply {
    let expiresAt = Number.POSITIVE_INFINITY;
    for (let i = 0; i < options.length; i += 1) {
      const option = options[i]?.toUpperCase();
      if (option === 'NX') {
        if (this.#entry(key) !== undefined) return null;
      } else if (option === 'PX') {
        i += 1;
        expiresAt = this.#now() + Number(options[i]);
      } else throw new Error(`SET ${option}`);
    }
    this.#data.set(key, { is: 'string', value, expiresAt });
    return 'OK';
  }

  #add([key = '', limit, about, most, star, ...fields]: readonly string[]): LuaReply {
    if (limit !== 'MAXLEN' || about !== '~' || star !== '*' || most === undefined)
      throw new Error('XADD: other options');
    this.#streamId += 1;
    const id = `${this.#now()}-${this.#streamId}`;
    this.#write(key, 'stream', () => []).push({ id, fields });
    return id;
  }

  readonly #commands: Readonly<Record<string, Command>> = {
    TIME: () => {
      const now = Math.floor(this.#now());
      return [String(Math.floor(now / 1000)), String((now % 1000) * 1000)];
    },
    GET: ([key = '']) => this.#read(key, 'string') ?? null,
    MGET: (keys) => keys.map((key) => this.#read(key, 'string') ?? null),
    SET: (args) => this.#setString(args),
    DEL: (keys) => keys.filter((key) => this.#entry(key) !== undefined && this.#data.delete(key)).length,
    EXISTS: (keys) => keys.filter((key) => this.#entry(key) !== undefined).length,
    INCR: ([key = '']) => this.#increase(key, 1),
    INCRBY: ([key = '', by]) => this.#increase(key, Number(by)),
    PEXPIRE: ([key = '', ms]) => this.#expire(key, this.#now() + Number(ms)),
    PEXPIREAT: ([key = '', at]) => this.#expire(key, Number(at)),
    PERSIST: ([key = '']) => {
      const lasting = this.#entry(key)?.expiresAt !== Number.POSITIVE_INFINITY;
      return lasting ? this.#expire(key, Number.POSITIVE_INFINITY) : 0;
    },
    PTTL: ([key = '']) => {
      const entry = this.#entry(key);
      if (entry === undefined) return -2;
      return entry.expiresAt === Number.POSITIVE_INFINITY ? -1 : Math.round(entry.expiresAt - this.#now());
    },

    HGET: ([key = '', field = '']) => this.#read(key, 'hash')?.get(field) ?? null,
    HMGET: ([key = '', ...fields]) => {
      const hash = this.#read(key, 'hash');
      return fields.map((field) => hash?.get(field) ?? null);
    },
    HGETALL: ([key = '']) => [...(this.#read(key, 'hash') ?? [])].flat(),
    HSET: ([key = '', ...pairs]) => {
      const hash = this.#hash(key);
      const before = hash.size;
      for (let i = 0; i < pairs.length; i += 2) hash.set(pairs[i] ?? '', pairs[i + 1] ?? '');
      return hash.size - before;
    },
    HSETNX: ([key = '', field = '', value = '']) => {
      const hash = this.#hash(key);
      if (hash.has(field)) return 0;
      hash.set(field, value);
      return 1;
    },
    HINCRBY: ([key = '', field = '', by]) => {
      const hash = this.#hash(key);
      const value = Number(hash.get(field) ?? '0') + Number(by);
      hash.set(field, String(value));
      return value;
    },
    HLEN: ([key = '']) => this.#read(key, 'hash')?.size ?? 0,
    HDEL: ([key = '', ...fields]) => this.#remove(key, 'hash', fields),

    LLEN: ([key = '']) => this.#read(key, 'list')?.length ?? 0,
    RPUSH: ([key = '', ...values]) => this.#list(key).push(...values),
    LPUSH: ([key = '', ...values]) => this.#list(key).unshift(...values.reverse()),
    LPOP: ([key = '']) => {
      const first = this.#read(key, 'list')?.shift() ?? null;
      this.#tidy(key);
      return first;
    },
    RPOP: ([key = '']) => {
      const last = this.#read(key, 'list')?.pop() ?? null;
      this.#tidy(key);
      return last;
    },
    LINDEX: ([key = '', index]) => this.#read(key, 'list')?.at(Number(index)) ?? null,
    LRANGE: ([key = '', from, to]) => range(this.#read(key, 'list') ?? [], from, to),
    LTRIM: ([key = '', from, to]) => {
      const list = this.#read(key, 'list');
      if (list !== undefined) list.splice(0, list.length, ...range(list, from, to));
      this.#tidy(key);
      return 'OK';
    },
    LREM: ([key = '', , value]) => {
      const list = this.#read(key, 'list');
      const at = list?.indexOf(value ?? '') ?? -1;
      if (at >= 0) list?.splice(at, 1);
      this.#tidy(key);
      return at >= 0 ? 1 : 0;
    },

    SADD: ([key = '', ...members]) => {
      const set = this.#write(key, 'set', () => new Set());
      const before = set.size;
      for (const member of members) set.add(member);
      return set.size - before;
    },
    SREM: ([key = '', ...members]) => this.#remove(key, 'set', members),
    SCARD: ([key = '']) => this.#read(key, 'set')?.size ?? 0,
    SMEMBERS: ([key = '']) => [...(this.#read(key, 'set') ?? [])],
    SMISMEMBER: ([key = '', ...members]) => {
      const set = this.#read(key, 'set');
      return members.map((member) => (set?.has(member) === true ? 1 : 0));
    },

    ZADD: ([key = '', score, member = '']) => {
      const zset = this.#write(key, 'zset', () => new Map());
      const isNew = !zset.has(member);
      zset.set(member, Number(score));
      return isNew ? 1 : 0;
    },
    ZREM: ([key = '', ...members]) => this.#remove(key, 'zset', members),
    ZCARD: ([key = '']) => this.#read(key, 'zset')?.size ?? 0,
    ZSCORE: ([key = '', member = '']) => this.#read(key, 'zset')?.get(member)?.toString() ?? null,
    ZRANK: ([key = '', member]) => {
      const rank = this.#ranked(key).findIndex(([name]) => name === member);
      return rank < 0 ? null : rank;
    },
    ZCOUNT: ([key = '', low = '', high = '']) => this.#inScores(key, low, high).length,
    ZRANGE: ([key = '', from, to, scores]) => withScores(range(this.#ranked(key), from, to), scores),
    ZREVRANGE: ([key = '', from, to, scores]) => withScores(range(this.#ranked(key).reverse(), from, to), scores),
    ZRANGEBYSCORE: ([key = '', low = '', high = '', limit, offset, count]) => {
      const names = this.#inScores(key, low, high).map(([name]) => name);
      return limit === undefined ? names : names.slice(Number(offset), Number(offset) + Number(count));
    },
    ZREMRANGEBYSCORE: ([key = '', low = '', high = '']) => {
      const gone = this.#inScores(key, low, high).map(([name]) => name);
      return this.#remove(key, 'zset', gone);
    },

    XADD: (args) => this.#add(args),
    XDEL: ([key = '', id]) => {
      const stream = this.#read(key, 'stream');
      const at = stream?.findIndex((entry) => entry.id === id) ?? -1;
      if (at >= 0) stream?.splice(at, 1);
      return at >= 0 ? 1 : 0;
    },
    XLEN: ([key = '']) => this.#read(key, 'stream')?.length ?? 0,
  };
}

function withScores(ranked: readonly [string, number][], scores: string | undefined): string[] {
  if (scores !== undefined && scores !== 'WITHSCORES') throw new Error(`ZRANGE ${scores}`);
  return ranked.flatMap(([name, score]) => (scores === undefined ? [name] : [name, String(score)]));
}

/** Both ends included; negative ones count from the end. */
function range<T>(list: readonly T[], from: string | undefined, to: string | undefined): T[] {
  const [low, high] = [Number(from), Number(to)];
  return list.slice(low, high === -1 ? list.length : high + 1);
}
