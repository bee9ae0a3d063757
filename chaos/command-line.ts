/** What the commands of this folder have in common: how options are read, and what a signal means. */
import { CommanderError, InvalidArgumentError } from 'commander';
import type { Narrator } from '../demo/narrator.ts';
import { explain } from '../src/errors.ts';

class Interrupted extends Error {
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

/** Runs a measurement to its exit code: its own, that of the signal that ended it, or 2 when it could not go on. */
export async function measured(seed: number, narrator: Narrator, run: () => Promise<number>): Promise<number> {
  try {
    return await run();
  } catch (error) {
    if (error instanceof Interrupted) {
      narrator.say(`Ended early (${error.message}).`);
      return error.exitCode;
    }
    narrator.say(`Seed ${seed}: it could not go on: ${explain(error)}`);
    return 2;
  }
}

/** Leaves with what `command` returns; 2 for arguments that make no sense, 0 for help. */
export async function leaveWith(command: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await command();
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    process.exitCode = error.exitCode === 0 ? 0 : 2;
  }
}
