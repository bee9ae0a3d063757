/** Libraries that write to the console (ioredis, BullMQ) must not put bare lines between those of the log. */
import { format } from 'node:util';
import type { Logger } from 'pino';

export function consoleToLog(log: Logger): void {
  for (const [name, level] of [
    ['log', 'info'],
    ['info', 'info'],
    ['warn', 'warn'],
    ['error', 'warn'],
  ] as const) {
    console[name] = (...parts: unknown[]) => log[level]({ event: 'console' }, format(...parts));
  }
}
