/** What happened, as one number to compare two runs by, and as lines when somebody wants to read it. */
import type { Logger } from 'pino';
import type { World } from './world.ts';

export class Trace {
  readonly lines: string[] | null;
  readonly #world: World;
  #hash = 0x811c9dc5;

  constructor(world: World, keepLines: boolean) {
    this.#world = world;
    this.lines = keepLines ? [] : null;
  }

  note(text: string): void {
    const line = `${this.#world.now.toFixed(3)} ${text}`;
    this.lines?.push(line);
    // FNV-1a over UTF-16 units.
    let hash = this.#hash;
    for (let i = 0; i < line.length; i += 1) hash = Math.imul(hash ^ line.charCodeAt(i), 0x01000193);
    this.#hash = hash;
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0');
  }
}

/** A logger whose lines go to the trace, and whose bindings can be asked for. */
export interface SimLogger extends Logger {
  readonly bound: Readonly<Record<string, unknown>>;
}

export function simLogger(trace: Trace, bound: Readonly<Record<string, unknown>>): SimLogger {
  const at = (level: string) => (fields: unknown, message?: string) => {
    const { event, reason, err } = (typeof fields === 'object' ? fields : {}) as Record<string, unknown>;
    const why = reason ?? (err instanceof Error ? err.message : '');
    const place = [bound.process, bound.connection, bound.fencingToken].filter((part) => part !== undefined).join(' ');
    trace.note(`${level} ${place}: ${event ?? ''} ${message ?? String(fields)} ${why}`);
  };
  const quiet = () => {};
  const log = {
    bound,
    trace: quiet,
    debug: quiet,
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    fatal: at('fatal'),
    child: (more: Record<string, unknown>) => simLogger(trace, { ...bound, ...more }),
  };
  return log as unknown as SimLogger;
}
