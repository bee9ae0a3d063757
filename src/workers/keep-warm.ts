/**
 * A worker that stands by is warm: for every connection it may have to take over it has fetched what the platform wants
 * to see first. Without this a takeover waits for a call of its own before it can dial.
 */
import type { Adapter, Secrets } from '../adapters/adapter.ts';
import { sleep } from '../async/abort.ts';
import type { Clock } from '../async/clock.ts';
import { explain, FatalError } from '../errors.ts';
import type { OwnedTransport } from '../http/transport.ts';
import type { Logger } from '../log.ts';
import type { ConnectionId, JsonValue } from '../model.ts';

interface WarmConnection {
  readonly id: ConnectionId;
  readonly platform: string;
  readonly options: JsonValue;
  readonly secrets: Secrets;
  /** Changes when options or secrets do. */
  readonly fingerprint: string;
}

export interface KeepWarmOptions {
  /** Asked at the start of each round. */
  connections(): readonly WarmConnection[];
  /** This worker holds it, so that there is nothing to fetch ahead. */
  isHeld(id: ConnectionId): boolean;
  /** By platform. */
  readonly adapters: ReadonlyMap<string, Adapter>;
  openTransport(secrets: Secrets): OwnedTransport;
  readonly clock: Clock;
  readonly log: Logger;
  /** Ends it. */
  readonly signal: AbortSignal;
}

/** Between two rounds over all connections, ms. */
const ROUND_MS = 60_000;
/** Between two connections of a round, ms: a thousand of them must not become a burst at the platform. */
const STEP_MS = 20;

/** Never throws; resolves when the signal aborts. What a platform refuses for good is not asked for again. */
export async function keepWarm(options: KeepWarmOptions): Promise<void> {
  const { log, signal } = options;
  /** By id, the fingerprint for which the platform refused. */
  const refused = new Map<ConnectionId, string>();
  try {
    for (;;) {
      for (const connection of options.connections()) {
        const { id, fingerprint } = connection;
        if (refused.get(id) === fingerprint || options.isHeld(id)) continue;
        try {
          await warm(connection, options);
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof FatalError) refused.set(id, fingerprint);
          log.debug({ event: 'not-warm', connection: id, reason: explain(error) }, 'nothing fetched ahead');
        }
        await sleep(STEP_MS, { signal });
      }
      await sleep(ROUND_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'standing by has ended; takeovers will fetch what they need');
  }
}

/** Over a transport that is closed again: there is mostly nothing to fetch. */
async function warm(connection: WarmConnection, options: KeepWarmOptions): Promise<void> {
  const { id, platform, options: own, secrets } = connection;
  const { adapters, clock, log, signal } = options;
  const adapter = adapters.get(platform);
  if (adapter?.warm === undefined) return;
  const transport = options.openTransport(secrets);
  try {
    const context = { connectionId: id, options: own, secrets, transport, clock, log: log.child({ connection: id }) };
    await adapter.warm(context, { signal });
  } finally {
    await transport.destroy();
  }
}
