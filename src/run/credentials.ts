/**
 * Where a process finds the secrets of a connection, and where it learns what to do with them: in its own configuration, or,
 * for one that was added at run time, in the environment variable or file that it names, within the bounds that the
 * configuration sets. Of a configured connection Redis says whether it is wanted, and nothing else: where secrets and
 * messages go is never read there. A record that says something else is no order, but a reason to stand back
 * (docs/adr/0025).
 */
import { type Config, type ConnectionConfig, resolveRuntimeConnection } from '../config.ts';
import { explain } from '../errors.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Credentials } from '../workers/credentials.ts';
import type { LiveConfig } from './live-config.ts';
import { differences } from './record-differences.ts';

/** A sender asks for each part; a file that changed is noticed elsewhere, within a sweep, ms. */
const REMEMBERED_MS = 1_000;

export class CredentialStore {
  readonly #live: LiveConfig;
  /** Connections of the configuration by id: looked for once per start and send, among up to ten thousand. */
  #byId: { readonly of: Config; readonly connections: ReadonlyMap<string, ConnectionConfig> } | null = null;
  /** Of the desired record for which the configuration was read again, by connection. */
  readonly #caughtUp = new Map<string, string>();
  readonly #resolved = new Map<
    string,
    { readonly credentials: Credentials; readonly key: string; readonly at: number }
  >();

  constructor(live: LiveConfig) {
    this.#live = live;
  }

  of(connection: DesiredConnection): Credentials {
    const own = this.#own(connection);
    // Also where the record claims to have been added at run time: of an id that a file names, the file decides.
    if (own !== undefined) return configured(connection, own);
    if (connection.source === 'config') return { kind: 'unknown', reason: NOT_HERE };
    const key = `${connection.id} ${connection.fingerprint}`;
    const known = this.#resolved.get(connection.id);
    if (known?.key === key && performance.now() - known.at < REMEMBERED_MS) return known.credentials;
    const credentials = this.#resolve(connection);
    this.#resolved.set(connection.id, { credentials, key, at: performance.now() });
    return credentials;
  }

  /**
   * As {@link of}, for who is about to hold the connection. When it is wanted otherwise than this process knows it, the
   * process that asked has probably read a new configuration a moment earlier: ours is read again first.
   */
  async fresh(connection: DesiredConnection): Promise<Credentials> {
    const { id, fingerprint } = connection;
    const own = this.#own(connection);
    if (own === undefined && connection.source === 'runtime') return this.#resolve(connection);
    if (own?.fingerprint !== fingerprint && this.#caughtUp.get(id) !== fingerprint) {
      await this.#live.look();
      // Hosts may be configured differently on purpose, each with its own proxy: asked once per change.
      this.#caughtUp.set(id, fingerprint);
    }
    return this.of(connection);
  }

  #own({ id }: DesiredConnection): ConnectionConfig | undefined {
    const { current } = this.#live;
    if (this.#byId?.of !== current) {
      this.#byId = { of: current, connections: new Map(current.connections.map((one) => [one.id, one])) };
    }
    return this.#byId.connections.get(id);
  }

  #resolve(connection: DesiredConnection): Credentials {
    try {
      const own = resolveRuntimeConnection(connection.definition, this.#live.current.runtime);
      if (own.id !== connection.id) return { kind: 'unknown', reason: 'its record is that of another connection' };
      return known(connection, own);
    } catch (error) {
      return { kind: 'unknown', reason: explain(error) };
    }
  }
}

const NOT_HERE = 'the configuration of this worker has no credentials for the connection';

function configured(connection: DesiredConnection, own: ConnectionConfig): Credentials {
  const different = differences(connection, own);
  if (different.length === 0) return known(connection, own);
  return {
    kind: 'unknown',
    reason: `configured differently here: Redis has another ${different.join(', ')}; give all hosts the same configuration`,
  };
}

function known(connection: DesiredConnection, own: ConnectionConfig): Credentials {
  const { platform, options, lateReply, secrets, fingerprint } = own;
  return { kind: 'known', connection: { ...connection, platform, options, lateReply }, secrets, version: fingerprint };
}
