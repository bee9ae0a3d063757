import type { Secrets } from '../adapters/adapter.ts';
import type { Config } from '../config.ts';
import { createTransportRoute, type OwnedTransport, type TransportRoute } from '../http/transport.ts';

/** Of all senders of one role and proxy together, per host. */
export const SENDERS_SOCKETS = 64;

/**
 * Transports by the proxy of each connection, and by the environment for those that name none. Those of one proxy share
 * their HTTP sockets.
 *
 * @param socketsPerHost - `null`: as many as there are calls, for those that may be long polls
 */
export function transportsBy(
  { proxyEnvironment }: Config,
  socketsPerHost: number | null,
): (secrets: Secrets) => OwnedTransport {
  const routes = new Map<string | undefined, TransportRoute>();
  return ({ proxy }) => {
    const known = routes.get(proxy);
    if (known !== undefined) return known.open();
    const made = createTransportRoute({ proxy, environment: proxyEnvironment, socketsPerHost });
    routes.set(proxy, made);
    return made.open();
  };
}
