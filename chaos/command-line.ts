/** What the commands of this folder have in common: how options are read, and what a signal means. */
import { InvalidArgumentError } from 'commander';

export class Interrupted extends Error {
  readonly exitCode: number;

  constructor(name: NodeJS.Signals) {
    super(`ended by ${name}`);
    this.exitCode = name === 'SIGTERM' ? 143 : 130;
  }
}

/** Aborts with {@link Interrupted}. */
export function interruption(): AbortSignal {
  const controller = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(name, () => controller.abort(new Interrupted(name)));
  }
  return controller.signal;
}

export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isSafeInteger(value) || value < 1) throw new InvalidArgumentError('not a positive whole number');
  return value;
}
