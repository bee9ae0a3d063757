import type { Secrets } from '../adapters/adapter.ts';
import type { Config } from '../config.ts';
import { createTransport, type OwnedTransport } from '../http/transport.ts';

/** Transports by the proxy of each connection, and by the environment for those that name none. */
export function transportsBy({ proxyEnvironment }: Config): (secrets: Secrets) => OwnedTransport {
  return ({ proxy }) => createTransport({ proxy, environment: proxyEnvironment });
}
