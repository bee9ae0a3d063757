/**
 * Where a process finds the secrets of a connection: in its own configuration, or, for one that was added at run time, in
 * the environment variable or file that it names. They never come out of Redis.
 */
import { type Config, type ConnectionConfig, resolveRuntimeConnection } from '../config.ts';
import { explain } from '../errors.ts';
import type { DesiredConnection } from '../state/desired.ts';
import type { Credentials } from '../workers/credentials.ts';
import type { LiveConfig } from './live-config.ts';

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
    if (connection.source === 'config') return configured(connection, this.#own(connection));
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
    const { id, fingerprint, source } = connection;
    if (source === 'runtime') return this.#resolve(connection);
    if (this.#own(connection)?.fingerprint !== fingerprint && this.#caughtUp.get(id) !== fingerprint) {
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
      // Of a Telegram bot the token alone tells who it is.
      return configured({ ...connection, options: own.options }, own);
    } catch (error) {
      return { kind: 'unknown', reason: explain(error) };
    }
  }
}

function configured(connection: DesiredConnection, own: ConnectionConfig | undefined): Credentials {
  if (own === undefined) {
    return { kind: 'unknown', reason: 'the configuration of this worker has no credentials for the connection' };
  }
  return { kind: 'known', connection, secrets: own.secrets, version: own.fingerprint };
}
