import type { DesiredConnection } from '../../src/state/desired.ts';
import type { Credentials } from '../../src/workers/credentials.ts';

/** A process that has these secrets for every connection; `null`: none for any. */
export function credentialsWith(secrets: Record<string, string> | null = {}) {
  return (connection: DesiredConnection): Credentials =>
    secrets === null
      ? { kind: 'unknown', reason: 'this worker has no credentials for the connection' }
      : { kind: 'known', connection, secrets, version: JSON.stringify(secrets) };
}
