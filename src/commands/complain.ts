import { ConfigError, explain, GatewayError } from '../errors.ts';
import { EXIT } from './exit-codes.ts';
import { lines, refuse } from './terminal.ts';

/** Says on stderr, in words, why a command could not do its work. @returns the exit code */
export function complain(error: unknown): number {
  if (error instanceof ConfigError) {
    for (const problem of error.problems) refuse`${problem}`;
    return EXIT.cannotTell;
  }
  if (error instanceof GatewayError) {
    refuse`${explain(error)}`;
    return EXIT.cannotTell;
  }
  const defect = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`holdfast: defect: ${lines(defect)}\n`);
  return EXIT.defect;
}
