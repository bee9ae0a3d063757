/**
 * Logging: one JSON object per line on stdout (readable text when stdout is a terminal).
 *
 * Conventions: `event` is a stable dotted name that scripts may look for (`ready`, `connection.state`); the message is
 * for people; errors go under `err`. Lines are written synchronously, so that last words before `process.exit` arrive.
 *
 * The finished line is bounded, whatever was put into it (a platform's answer, an agent's error, a stack); then secrets are
 * taken out (text/redact.ts), and what a terminal would obey is written as `\uXXXX`.
 */
import { type DestinationStream, destination, type Logger, pino, stdTimeFunctions } from 'pino';
import { prettyFactory } from 'pino-pretty';
import { foreignText } from './text/foreign-text.ts';
import { printable, printableJson } from './text/printable.ts';
import { redact } from './text/redact.ts';

export type { Logger } from 'pino';

export const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

export interface LoggerOptions {
  /** @defaultValue `'info'` */
  readonly level?: LogLevel;
  /** Which program or role speaks, e.g. `holdfast` or `worker`. */
  readonly name: string;
  /** Text for people instead of JSON. @defaultValue true when stdout is a terminal */
  readonly pretty?: boolean;
  /** Where finished lines go. @defaultValue stdout, written synchronously */
  readonly destination?: DestinationStream;
  /** Gets each finished line as JSON, secrets taken out, too; must not throw. @defaultValue nobody */
  readonly alsoTo?: DestinationStream;
}

export function createLogger(options: LoggerOptions): Logger {
  const sink = options.destination ?? destination({ dest: 1, sync: true });
  const pretty = options.pretty ?? (options.destination === undefined && process.stdout.isTTY === true);
  return pino(
    {
      level: options.level ?? 'info',
      base: { name: options.name, pid: process.pid },
      timestamp: stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      serializers: { err: serializeError, error: serializeError },
      hooks: { streamWrite: finished },
    },
    both(pretty ? prettyLines(sink) : sink, options.alsoTo),
  );
}

function both(one: DestinationStream, other: DestinationStream | undefined): DestinationStream {
  if (other === undefined) return one;
  return {
    write(line) {
      one.write(line);
      other.write(line);
    },
  };
}

function prettyLines(sink: DestinationStream): DestinationStream {
  const format = prettyFactory({ colorize: process.stdout.isTTY === true, ignore: 'pid,name' });
  return { write: (line) => void sink.write(format(withPrintableTexts(line))) };
}

/** For people's eyes a line break in a message would begin a line that nobody wrote; stacks keep theirs. */
function withPrintableTexts(line: string): string {
  return JSON.stringify(JSON.parse(line), (key, value: unknown) =>
    typeof value === 'string' && key !== 'stack' ? printable(value) : value,
  );
}

/** Lines within this need no closer look, UTF-16 units. */
const SHORT_LINE = 2_048;
/** Longest text of one field, of a stack, and of a whole line, UTF-16 units. */
const MAX_FIELD = 2_048;
const MAX_STACK = 4_096;
const MAX_LINE = 32_768;

/** What leaves the process: bounded, without secrets, without control characters. */
function finished(line: string): string {
  return printableJson(redact(line.length <= SHORT_LINE ? line : shortened(line)));
}

/** The same record with its long texts cut; where that is not enough, what it is about and how much was left out. */
function shortened(line: string): string {
  const record = JSON.parse(line, (key, value: unknown) =>
    typeof value === 'string' ? cutField(key, value) : value,
  ) as Record<string, unknown>;
  const cut = `${JSON.stringify(record)}\n`;
  if (cut.length <= MAX_LINE) return cut;
  const { level, time, name, pid, event, connection, msg } = record;
  return `${JSON.stringify({ level, time, name, pid, event, connection, leftOutChars: line.length, msg })}\n`;
}

function cutField(key: string, text: string): string {
  const max = key === 'stack' ? MAX_STACK : MAX_FIELD;
  return text.length <= max ? text : foreignText(text, max);
}

/** Deep enough for agent → http → undici → socket, and an end for causes that form a circle. */
const MAX_CAUSES = 6;
/** What helps in diagnosis. Other properties may hold requests, responses or secrets, and are left out. */
const ERROR_DETAILS = ['code', 'syscall', 'address', 'port', 'statusCode', 'disposition', 'retryAfterMs'] as const;

/** Type, message, stack, the telling details, and the same for each cause. Anything thrown that is no Error is kept as text. */
export function serializeError(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return typeof error === 'object' ? error : String(error);
  const details = Object.fromEntries(
    ERROR_DETAILS.flatMap((key) => {
      const value: unknown = (error as Error & Record<string, unknown>)[key];
      return value === undefined ? [] : [[key, value]];
    }),
  );
  const serialized: Record<string, unknown> = {
    type: error.name,
    message: error.message,
    ...details,
    stack: error.stack,
  };
  if (depth < MAX_CAUSES) {
    if (error.cause !== undefined) serialized.cause = serializeError(error.cause, depth + 1);
    if (error instanceof AggregateError) {
      serialized.errors = error.errors.map((each) => serializeError(each, depth + 1));
    }
  }
  return serialized;
}
