/**
 * The last words about each connection, for pages and the command line: lines that somebody should see, and errors with
 * their stacks. Taken from the finished lines of the process's log, secrets already taken out, whichever role wrote them.
 *
 * It must never hold anybody up: lines gather in memory and go to Redis together, and what Redis does not take is lost. A
 * connection that flaps must not flood it: so many lines per minute, and then a count of those left out.
 */
import { createHash } from 'node:crypto';
import type { ConnectionId } from '../model.ts';
import { inChunks } from './evidence.ts';
import type { Keys } from './keys.ts';
import type { RedisClient } from './redis.ts';
import { loadScript, runScript } from './scripts.ts';

const writeJournalScript = loadScript('write-journal');

export interface LoggedLine {
  /** ISO 8601, by the clock of the host that wrote it. */
  readonly at: string;
  readonly level: string;
  readonly event: string | null;
  readonly text: string;
}

export interface LoggedError {
  /** ISO 8601, by the clock of the host that wrote it: when it last happened. */
  readonly at: string;
  readonly code: string | null;
  readonly message: string;
  /** With those of its causes. */
  readonly stack: string;
}

/** What is new about one connection. */
export interface JournalEntry {
  readonly id: ConnectionId;
  readonly lines: readonly LoggedLine[];
  readonly errors: readonly LoggedError[];
}

/** Kept per connection. */
const LINES_KEPT = 50;
const ERRORS_KEPT = 5;
/** Longer ones are cut, characters. */
const MAX_TEXT = 500;
const MAX_STACK = 4_000;
/** Per connection and process: so many at once, and then one every so often, ms. */
const BURST = 20;
const REFILL_MS = 3_000;
/** Connections that a process may speak of; far more than it can hold. */
const MAX_CONNECTIONS = 5_000;

const LOUD = new Set(['warn', 'error', 'fatal']);
/** What belongs to the story at any level, but for `debug`. */
const TELLING = new Set(['state', 'claimed', 'tenure-ended']);

interface Notes {
  lines: LoggedLine[];
  errors: LoggedError[];
  /** Not kept, since {@link LogJournal.take} last said so. */
  leftOut: number;
  allowance: number;
  filledAt: number;
}

/** One per process; a stream for its logger. */
export class LogJournal {
  readonly #notes = new Map<string, Notes>();
  readonly #now: () => number;

  /** @param now - ms, monotonic */
  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** @param line - one finished line of the log, JSON. Never throws */
  write(line: string): void {
    // Nearly all lines of a busy process are of no interest here; parsing each would cost more than writing it.
    if (!line.includes('"connection":"')) return;
    const record = parse(line);
    if (record === null) return;
    const notes = this.#notesOf(record.connection);
    if (notes === null) return;
    if (!this.#allows(notes)) {
      notes.leftOut += 1;
      return;
    }
    notes.lines.push(lineOf(record));
    if (record.err !== null) notes.errors.push(errorOf(record, record.err));
  }

  /** What came since the last call. */
  take(): JournalEntry[] {
    const taken: JournalEntry[] = [];
    for (const [id, notes] of this.#notes) {
      const { lines, errors, leftOut } = notes;
      if (lines.length === 0 && leftOut === 0) continue;
      const all = leftOut === 0 ? lines : [...lines, gapLine(leftOut)];
      taken.push({ id: id as ConnectionId, lines: all, errors });
      Object.assign(notes, { lines: [], errors: [], leftOut: 0 } satisfies Partial<Notes>);
    }
    return taken;
  }

  /** Redis did not take them: the next batch says how many they were. */
  lost(entries: readonly JournalEntry[]): void {
    for (const { id, lines } of entries) {
      const notes = this.#notesOf(id);
      if (notes !== null) notes.leftOut += lines.length;
    }
  }

  #notesOf(id: string): Notes | null {
    const known = this.#notes.get(id);
    if (known !== undefined) return known;
    if (this.#notes.size >= MAX_CONNECTIONS) return null;
    const fresh: Notes = { lines: [], errors: [], leftOut: 0, allowance: BURST, filledAt: this.#now() };
    this.#notes.set(id, fresh);
    return fresh;
  }

  #allows(notes: Notes): boolean {
    const now = this.#now();
    const due = Math.floor((now - notes.filledAt) / REFILL_MS);
    if (due > 0) {
      notes.allowance = Math.min(BURST, notes.allowance + due);
      notes.filledAt += due * REFILL_MS;
    }
    if (notes.allowance === 0) return false;
    notes.allowance -= 1;
    return true;
  }
}

/** @throws the client's errors; it is unknown then what was written */
export async function writeJournal(client: RedisClient, keys: Keys, entries: readonly JournalEntry[]): Promise<void> {
  await inChunks(entries, async (some) => {
    const journals = some.flatMap(({ id }) => {
      const { log, errors, errorsAt } = keys.connection(id);
      return [log, errors, errorsAt];
    });
    const args = some.flatMap(({ lines, errors }) => [
      lines.length,
      ...lines.map((line) => JSON.stringify(line)),
      errors.length,
      ...errors.flatMap((error) => [nameOf(error), Date.parse(error.at), JSON.stringify(error)]),
    ]);
    await runScript(client, writeJournalScript, journals, [LINES_KEPT, ERRORS_KEPT, ...args]);
    return [];
  });
}

/** Newest first, both. @throws the client's errors */
export async function readJournal(
  client: RedisClient,
  keys: Keys,
  id: ConnectionId,
): Promise<{ readonly log: LoggedLine[]; readonly errors: LoggedError[] }> {
  const at = keys.connection(id);
  const [lines, errors] = await Promise.all([
    client.xrevrange(at.log, '+', '-', 'COUNT', LINES_KEPT),
    client.hvals(at.errors),
  ]);
  return {
    log: lines.map(([, fields]) => JSON.parse(fields[1] ?? '') as LoggedLine),
    errors: errors
      .map((text) => JSON.parse(text) as LoggedError)
      .sort((one, other) => Date.parse(other.at) - Date.parse(one.at)),
  };
}

interface LogRecord {
  readonly connection: string;
  readonly level: string;
  readonly time: string;
  readonly event: string | null;
  readonly msg: string;
  readonly reason: string | null;
  readonly code: string | null;
  readonly err: SerializedError | null;
}

/** As log.ts writes it. */
interface SerializedError {
  readonly code?: unknown;
  readonly message?: unknown;
  readonly stack?: unknown;
  readonly cause?: unknown;
}

/** @returns `null` when it is of no interest, or no line of ours */
function parse(line: string): LogRecord | null {
  let record: Record<string, unknown>;
  try {
    record = JSON.parse(line) as Record<string, unknown>;
  } catch {
    return null;
  }
  const text = (key: 'connection' | 'level' | 'time' | 'event' | 'msg' | 'reason' | 'code') => {
    const value = record[key];
    return typeof value === 'string' ? value : null;
  };
  const [connection, level, time, event] = [text('connection'), text('level'), text('time'), text('event')];
  if (connection === null || level === null || time === null) return null;
  const telling = event !== null && TELLING.has(event) && level === 'info';
  if (!LOUD.has(level) && !telling) return null;
  const { err } = record;
  return {
    ...{ connection, level, time, event },
    msg: text('msg') ?? '',
    reason: text('reason'),
    code: text('code'),
    err: typeof err === 'object' && err !== null ? err : null,
  };
}

function lineOf({ time, level, event, msg, reason, err }: LogRecord): LoggedLine {
  const why = reason ?? (err === null ? null : messageOf(err));
  const said = why === null || why === '' || msg.includes(why) ? msg : `${msg}: ${why}`;
  return { at: time, level, event, text: cut(said, MAX_TEXT) };
}

function gapLine(count: number): LoggedLine {
  const text = `${count} more ${count === 1 ? 'line is' : 'lines are'} left out: too many at once, or Redis was away`;
  return { at: new Date().toISOString(), level: 'warn', event: 'log.left-out', text };
}

function errorOf({ time, code }: LogRecord, err: SerializedError): LoggedError {
  const own = typeof err.code === 'string' ? err.code : null;
  return {
    at: time,
    code: own ?? code,
    message: cut(messageOf(err), MAX_TEXT),
    stack: cut([...stacksOf(err)].join('\ncaused by: '), MAX_STACK),
  };
}

function messageOf({ message }: SerializedError): string {
  return typeof message === 'string' ? message : '';
}

function* stacksOf(err: SerializedError): Generator<string> {
  for (let at: unknown = err; typeof at === 'object' && at !== null; at = (at as SerializedError).cause) {
    const { stack } = at as SerializedError;
    yield typeof stack === 'string' ? stack : messageOf(at as SerializedError);
  }
}

/** The same error again is one: numbers in its message (ports, instants, counts) make no other one of it. */
function nameOf({ code, message }: LoggedError): string {
  const alike = message.replace(/\d+/g, '#');
  return createHash('sha256').update(`${code}\u0000${alike}`).digest('hex').slice(0, 16);
}

function cut(text: string, length: number): string {
  return text.length <= length ? text : `${text.slice(0, length)} …`;
}
