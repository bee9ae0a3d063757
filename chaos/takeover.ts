/** How long connections were away, on the platform's side: from the fault to RESUMED (or READY), by its journal. */
import { waitFor } from '../demo/wait.ts';
import type { EntryOf, QqEmulator } from '../test/emulators/qq/index.ts';
import type { Cause } from './faults/fault.ts';
import type { Held } from './site.ts';

/** Longer than any cause may take; then the fault counts as not healed, ms. */
const BACK_MS = 45_000;

export interface Takeover {
  readonly cause: Cause;
  readonly connection: string;
  /** From the fault to RESUMED or READY. */
  readonly ms: number;
  /** From the fault to the dial of the socket that brought it back: noticing, deciding and claiming. */
  readonly dialMs: number;
  readonly how: 'resumed' | 'identified';
}

/** The moment of a fault, in the journal and on the clock of its entries. */
export interface Moment {
  readonly entry: number;
  readonly at: number;
}

export function now({ journal }: QqEmulator): Moment {
  return { entry: journal.mark(), at: Date.now() };
}

/**
 * Waits until each of these connections has a session again.
 *
 * @throws Error naming the cause when one of them has none in time
 */
export async function takenOver(
  qq: QqEmulator,
  cause: Cause,
  held: readonly Held[],
  since: Moment,
  signal: AbortSignal,
): Promise<Takeover[]> {
  return await Promise.all(
    held.map(({ connection, bot }) =>
      waitFor(`${connection} to be back (${cause})`, BACK_MS, signal, () =>
        backSince(qq, cause, connection, bot.account.appId, since),
      ),
    ),
  );
}

/** Those that lost and regained their session since then, where a fault need not cost it. */
export function whoCameBack(qq: QqEmulator, cause: Cause, held: readonly Held[], since: Moment): Takeover[] {
  return held.flatMap(({ connection, bot }) => backSince(qq, cause, connection, bot.account.appId, since) ?? []);
}

function backSince(
  { journal }: QqEmulator,
  cause: Cause,
  connection: string,
  appId: string,
  { entry, at }: Moment,
): Takeover | undefined {
  const resumed = journal.of('resumed', (one) => one.appId === appId, entry)[0];
  const identified = journal.of('identify', (one) => one.appId === appId && one.outcome === 'accepted', entry)[0];
  const first = [resumed, identified].filter((one) => one !== undefined).sort((a, b) => a.n - b.n)[0];
  if (first === undefined) return undefined;
  const dial = dialOf(journal, first.socket, entry);
  return {
    cause,
    connection,
    ms: Math.max(0, first.at - at),
    dialMs: Math.max(0, (dial?.at ?? at) - at),
    how: first.kind === 'resumed' ? 'resumed' : 'identified',
  };
}

function dialOf(journal: QqEmulator['journal'], socket: number, since: number): EntryOf<'dial'> | undefined {
  return journal.of('dial', (one) => one.socket === socket, since)[0];
}
