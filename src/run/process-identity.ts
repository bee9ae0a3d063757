import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import type { WorkerId } from '../model.ts';

/**
 * `<host>/<pid>`, and an incarnation that tells two lives of the same pid apart (in a container every life has the same).
 */
export interface ProcessIdentity {
  readonly worker: WorkerId;
  /** Letters and digits only: job tokens are `<worker>.<incarnation>-<n>`. */
  readonly incarnation: string;
  /** Name of the presence channel. */
  readonly presence: string;
}

export function processIdentity(): ProcessIdentity {
  const worker = `${hostname()}/${process.pid}` as WorkerId;
  const incarnation = randomBytes(6).toString('hex');
  return { worker, incarnation, presence: `${worker}#${incarnation}` };
}
