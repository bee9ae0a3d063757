import type { Secrets } from '../adapters/adapter.ts';
import type { Config } from '../config.ts';
import { createTransport, type OwnedTransport } from '../http/transport.ts';

/** Transports by the proxy of each connection, and by the environment for those that name none. */
export function transportsBy({ proxyEnvironment }: Config): (secrets: Secrets) => OwnedTransport {
  return ({ proxy }) => createTransport({ proxy, environment: proxyEnvironment });
}

/**
 * The same for senders, one per proxy: they all speak to a few hosts, and nobody takes a sender's transport away, so they
 * share their sockets instead of dialing for nearly every message.
 */
export function sharedTransportsBy(config: Config): (secrets: Secrets) => OwnedTransport {
  const open = transportsBy(config);
  const byProxy = new Map<string | undefined, OwnedTransport>();
  return (secrets) => {
    const known = byProxy.get(secrets.proxy);
    if (known !== undefined) return known;
    const made = open(secrets);
    byProxy.set(secrets.proxy, made);
    return made;
  };
}
