/**
 * What a process knows of the connections that were added at run time: their records, so that they outlive a loss of
 * Redis's data, and whether files with their secrets changed, so that the new secret is used at once.
 */
import type { Logger } from 'pino';
import { filesOf } from '../config/runtime.ts';
import { resolveRuntimeConnection } from '../config.ts';
import type { ConnectionId } from '../model.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { listRuntimeConnections, refreshFingerprint } from '../state/runtime-connections.ts';
import { fingerprintOf } from './connection-desk.ts';
import type { LiveConfig } from './live-config.ts';

export interface RuntimeConnectionsOptions {
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly live: LiveConfig;
  /** Whether this process uses their secrets. */
  readonly watchesSecrets: boolean;
  readonly log: Logger;
}

export class RuntimeConnections {
  readonly #options: RuntimeConnectionsOptions;
  /** Content of secret files, as a digest, at the last look. */
  readonly #secrets = new Map<ConnectionId, string>();

  constructor(options: RuntimeConnectionsOptions) {
    this.#options = options;
  }

  /** @throws the client's errors */
  async look(): Promise<readonly DesiredConnection[]> {
    const { client, keys, watchesSecrets } = this.#options;
    const records = await listRuntimeConnections(client, keys);
    if (watchesSecrets) for (const record of records) await this.#lookAtSecrets(record);
    return records;
  }

  async #lookAtSecrets(record: DesiredConnection): Promise<void> {
    const { client, keys, live, log } = this.#options;
    const { id, definition } = record;
    if (filesOf(definition, live.current.runtime).length === 0) return;
    let values: string;
    try {
      values = resolveRuntimeConnection(definition, live.current.runtime).fingerprint;
    } catch {
      // Who wants to hold it says so. What was known stays: the next content may be another one.
      return;
    }
    const before = this.#secrets.get(id);
    this.#secrets.set(id, values);
    const fingerprint = fingerprintOf(definition, values);
    if (before === undefined || before === values || record.fingerprint === fingerprint) return;
    if (await refreshFingerprint(client, keys, record, fingerprint)) {
      log.info(
        { event: 'secret-changed', connection: id },
        'a file with its secret changed: it connects with the new one',
      );
    }
  }
}
