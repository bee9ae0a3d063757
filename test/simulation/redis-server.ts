/**
 * The one Redis of a schedule: runs the production scripts on a {@link Keyspace}, has a clock that may step, and can be
 * frozen, restarted or out of memory. Whoever wants to know what was really written watches its journal.
 */

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { DENY_OOM, Keyspace } from './keyspace.ts';
import { compileLua, type LuaReply, type LuaScript } from './lua.ts';
import { EPOCH, type World } from './world.ts';

export interface KnownScript {
  readonly name: string;
  readonly source: string;
  readonly run: LuaScript;
  readonly allowOom: boolean;
}

/** A request as it was carried out. */
export interface Executed {
  /** Redis ms. */
  readonly at: number;
  /** Name of a script of ours, or of a command. */
  readonly name: string;
  readonly script: KnownScript | null;
  readonly keys: readonly string[];
  readonly args: readonly string[];
  readonly reply: LuaReply;
}

/** An answer that is an error, as ioredis would throw it. */
class ReplyError extends Error {
  override readonly name = 'ReplyError';
}

const FOLDER = new URL('../../src/state/scripts/', import.meta.url);
/** Read once, as production does: what is edited during a run of thousands must not change under it. */
const originals = readdirSync(FOLDER).map((file) => ({
  name: file.replace(/\.lua$/, ''),
  original: readFileSync(new URL(file, FOLDER), 'utf8'),
}));
const compiled = new Map<string, KnownScript>();

/** @param change - lets a test break a guard; the changed script keeps the name and SHA of the original */
export function loadScripts(change?: (name: string, source: string) => string): ReadonlyMap<string, KnownScript> {
  const scripts = new Map<string, KnownScript>();
  for (const { name, original } of originals) {
    const source = change?.(name, original) ?? original;
    const known = compiled.get(source) ?? {
      name,
      source,
      run: compileLua(source),
      allowOom: /^#!lua.*allow-oom/.test(source),
    };
    compiled.set(source, known);
    scripts.set(createHash('sha1').update(original).digest('hex'), known);
  }
  return scripts;
}

export class RedisServer {
  readonly keyspace: Keyspace;
  /** Added to its wall clock, ms. */
  clockOffset = 0;
  /** Requests wait while it is frozen. */
  #frozen = false;
  readonly #waiting: (() => void)[] = [];
  /** When it last came out of a freeze. */
  thawedAt = 0;
  outOfMemory = false;
  runId = 'run-1';
  /** Who watches what is carried out. */
  readonly watchers: ((executed: Executed) => void)[] = [];
  /** Channel → who is subscribed; called with each message. */
  readonly subscribers = new Map<string, Set<() => void>>();
  /** Processes that have any connection, as CLIENT LIST would name them: `<worker>#<incarnation>`. */
  readonly connected = new Set<string>();
  /** Told when a restart cuts all connections. */
  readonly onRestart: (() => void)[] = [];
  readonly #world: World;
  readonly #scripts: ReadonlyMap<string, KnownScript>;
  #startedAt = -3_600_000;
  #runs = 1;

  constructor(world: World, scripts: ReadonlyMap<string, KnownScript>) {
    this.#world = world;
    this.#scripts = scripts;
    this.keyspace = new Keyspace(
      () => this.now,
      (key) => this.#note({ at: this.now, name: 'DEL', script: null, keys: [], args: [key], reply: 1 }),
    );
  }

  /** Redis ms. */
  get now(): number {
    return Math.floor(EPOCH + this.#world.now + this.clockOffset);
  }

  get isFrozen(): boolean {
    return this.#frozen;
  }

  freeze(): void {
    this.#frozen = true;
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    this.thawedAt = this.#world.now;
    for (const serve of this.#waiting.splice(0)) serve();
  }

  /** Runs `serve` now, or with the others who wait. */
  whenServing(serve: () => void): void {
    if (this.#frozen) this.#waiting.push(serve);
    else serve();
  }

  /** With `appendfsync always`: nothing that was answered is lost, all connections are. */
  restart(): void {
    this.#runs += 1;
    this.runId = `run-${this.#runs}`;
    this.#startedAt = this.#world.now;
    this.subscribers.clear();
    for (const tell of this.onRestart) tell();
  }

  /** @throws ReplyError */
  execute(command: string, args: readonly string[]): LuaReply {
    const name = command.toUpperCase();
    switch (name) {
      case 'EVALSHA':
        return this.#script(args);
      case 'INFO':
        return this.#info();
      case 'CONFIG':
        return ['appendfsync', 'always'];
      case 'PUBSUB':
        return args.slice(1).flatMap((channel) => [channel, this.subscribers.get(channel)?.size ?? 0]);
      case 'CLIENT':
        return [...this.connected].map((name) => `id=1 name=holdfast:fenced:${name} age=1\n`).join('');
      case 'PUBLISH': {
        const all = this.subscribers.get(args[0] ?? '') ?? new Set();
        for (const tell of all) tell();
        return all.size;
      }
      default:
        return this.#plain(name, args);
    }
  }

  #plain(name: string, args: readonly string[]): LuaReply {
    if (this.outOfMemory && DENY_OOM.has(name)) throw outOfMemory();
    const reply = this.keyspace.call(name, args);
    this.#note({ at: this.now, name, script: null, keys: [], args, reply });
    return reply;
  }

  #script([sha = '', count, ...rest]: readonly string[]): LuaReply {
    const script = this.#scripts.get(sha);
    if (script === undefined) throw new ReplyError('NOSCRIPT No matching script');
    if (this.outOfMemory && !script.allowOom) throw outOfMemory();
    const keys = rest.slice(0, Number(count));
    const args = rest.slice(Number(count));
    const reply = this.#run(script, keys, args);
    this.#note({ at: this.now, name: script.name, script, keys, args, reply });
    return reply;
  }

  /** What the model cannot do fails the schedule: whoever asked might ask again for ever. */
  #run({ name, run }: KnownScript, keys: string[], args: string[]): LuaReply {
    try {
      return run(keys, args, (command, values) => this.keyspace.call(command, values));
    } catch (error) {
      if (!(error instanceof ReplyError)) this.#world.uncaught.push({ process: `Redis in ${name}`, error });
      throw error;
    }
  }

  #note(executed: Executed): void {
    for (const watch of this.watchers) watch(executed);
  }

  #info(): string {
    const uptime = Math.floor((this.#world.now - this.#startedAt) / 1_000);
    const fields = {
      redis_version: '7.2.0',
      run_id: this.runId,
      uptime_in_seconds: uptime,
      maxmemory_policy: 'noeviction',
      aof_enabled: 1,
    };
    return Object.entries(fields)
      .map(([name, value]) => `${name}:${value}\r\n`)
      .join('');
  }
}

function outOfMemory(): ReplyError {
  return new ReplyError("OOM command not allowed when used memory > 'maxmemory'.");
}
