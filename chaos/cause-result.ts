/** How long connections were away, by the cause of it. */
import type { Cause } from './faults/fault.ts';
import { type Spread, spreadOf } from './spread.ts';
import type { Takeover } from './takeover.ts';

export interface CauseResult {
  readonly cause: Cause;
  readonly times: number;
  /** From the fault to RESUMED, ms; one sample per connection. `null`: no connection had to come back. */
  readonly takeover: Spread | null;
  /** Of that, up to the dial, ms. */
  readonly untilDial: Spread | null;
  /** Connections that came back by Identify. */
  readonly identified: number;
}

/** @param times - how often it struck */
export function causeResult(cause: Cause, times: number, takeovers: readonly Takeover[]): CauseResult {
  const ours = takeovers.filter((one) => one.cause === cause);
  return {
    cause,
    times,
    takeover: spreadOf(ours.map(({ ms }) => ms)),
    untilDial: spreadOf(ours.map(({ dialMs }) => dialMs)),
    identified: ours.filter(({ how }) => how === 'identified').length,
  };
}
