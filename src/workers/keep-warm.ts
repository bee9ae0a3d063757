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

export interface KeepWarmOptions {
  readonly connections: readonly {
    readonly id: ConnectionId;
    readonly platform: string;
    readonly options: JsonValue;
    readonly secrets: Secrets;
  }[];
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
  const { adapters, clock, log, signal } = options;
  const warmers = options.connections.flatMap(({ id, platform, options: own, secrets }) => {
    const adapter = adapters.get(platform);
    if (adapter?.warm === undefined) return [];
    const transport = options.openTransport(secrets);
    const context = { connectionId: id, options: own, secrets, transport, clock, log: log.child({ connection: id }) };
    return [{ id, transport, warm: () => adapter.warm?.(context, { signal }) }];
  });
  const refused = new Set<ConnectionId>();
  try {
    for (;;) {
      for (const { id, warm } of warmers.filter((one) => !refused.has(one.id))) {
        try {
          await warm();
        } catch (error) {
          signal.throwIfAborted();
          if (error instanceof FatalError) refused.add(id);
          log.debug({ event: 'not-warm', connection: id, reason: explain(error) }, 'nothing fetched ahead');
        }
        await sleep(STEP_MS, { signal });
      }
      await sleep(ROUND_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'standing by has ended; takeovers will fetch what they need');
  } finally {
    await Promise.all(warmers.map(({ transport }) => transport.destroy()));
  }
}
