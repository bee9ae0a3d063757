import { ConfigError, explain, GatewayError } from '../errors.ts';
import { redact } from '../text/redact.ts';
import { EXIT } from './exit-codes.ts';

/** Says on stderr, in words, why a command could not do its work. @returns the exit code */
export function complain(error: unknown): number {
  const say = (line: string) => process.stderr.write(`${redact(line)}\n`);
  if (error instanceof ConfigError) {
    for (const problem of error.problems) say(`holdfast: ${problem}`);
    return EXIT.cannotTell;
  }
  if (error instanceof GatewayError) {
    say(`holdfast: ${explain(error)}`);
    return EXIT.cannotTell;
  }
  say(`holdfast: defect: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  return EXIT.defect;
}
