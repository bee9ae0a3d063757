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

interface Warmer {
  readonly fingerprint: string;
  readonly transport: OwnedTransport;
  warm(): Promise<void> | undefined;
  refused: boolean;
}

/** Never throws; resolves when the signal aborts. What a platform refuses for good is not asked for again. */
export async function keepWarm(options: KeepWarmOptions): Promise<void> {
  const { log, signal } = options;
  const warmers = new Map<ConnectionId, Warmer>();
  try {
    for (;;) {
      await renew(warmers, options);
      for (const [id, warmer] of warmers) {
        if (warmer.refused) continue;
        try {
          await warmer.warm();
        } catch (error) {
          signal.throwIfAborted();
          warmer.refused = error instanceof FatalError;
          log.debug({ event: 'not-warm', connection: id, reason: explain(error) }, 'nothing fetched ahead');
        }
        await sleep(STEP_MS, { signal });
      }
      await sleep(ROUND_MS, { signal });
    }
  } catch (error) {
    if (!signal.aborted) log.error({ err: error }, 'standing by has ended; takeovers will fetch what they need');
  } finally {
    await Promise.all([...warmers.values()].map(({ transport }) => transport.destroy()));
  }
}

/** Brings `warmers` in step with the connections as they are now. */
async function renew(warmers: Map<ConnectionId, Warmer>, options: KeepWarmOptions): Promise<void> {
  const { adapters, clock, log, signal } = options;
  const wanted = new Map(options.connections().map((connection) => [connection.id, connection]));
  for (const [id, { fingerprint, transport }] of warmers) {
    if (wanted.get(id)?.fingerprint === fingerprint) continue;
    warmers.delete(id);
    await transport.destroy();
  }
  for (const { id, platform, options: own, secrets, fingerprint } of wanted.values()) {
    const adapter = adapters.get(platform);
    if (warmers.has(id) || adapter?.warm === undefined) continue;
    const transport = options.openTransport(secrets);
    const context = { connectionId: id, options: own, secrets, transport, clock, log: log.child({ connection: id }) };
    warmers.set(id, { fingerprint, transport, warm: () => adapter.warm?.(context, { signal }), refused: false });
  }
}
