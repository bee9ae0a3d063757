/** Where a process finds the secrets of a connection: in its own configuration. They never come out of Redis. */
import type { DesiredConnection } from '../state/desired.ts';
import type { Credentials } from '../workers/credentials.ts';
import type { LiveConfig } from './live-config.ts';

export class CredentialStore {
  readonly #live: LiveConfig;
  /** Of the desired record for which the configuration was read again, by connection. */
  readonly #caughtUp = new Map<string, string>();

  constructor(live: LiveConfig) {
    this.#live = live;
  }

  of(connection: DesiredConnection): Credentials {
    const own = this.#own(connection);
    if (own === undefined) {
      return { kind: 'unknown', reason: 'the configuration of this worker has no credentials for the connection' };
    }
    return { kind: 'known', connection, secrets: own.secrets, version: own.fingerprint };
  }

  /**
   * As {@link of}, for who is about to hold the connection. When it is wanted otherwise than this process knows it, the
   * process that asked has probably read a new configuration a moment earlier: ours is read again first.
   */
  async fresh(connection: DesiredConnection): Promise<Credentials> {
    const { id, fingerprint } = connection;
    if (this.#own(connection)?.fingerprint !== fingerprint && this.#caughtUp.get(id) !== fingerprint) {
      await this.#live.look();
      // Hosts may be configured differently on purpose, each with its own proxy: asked once per change.
      this.#caughtUp.set(id, fingerprint);
    }
    return this.of(connection);
  }

  #own({ id }: DesiredConnection) {
    return this.#live.current.connections.find((one) => one.id === id);
  }
}
