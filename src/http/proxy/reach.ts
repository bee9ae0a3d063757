import type { Socket } from 'node:net';
import { buildConnector } from 'undici';
import { dialTcp, type Lookup } from './dial-tcp.ts';

/**
 * A socket to one place, with TLS where the protocol is `https:`; over `httpSocket` where there is one, which is closed
 * when that fails.
 *
 * @throws the system's error
 * @throws the signal's reason when it aborts
 */
export type Reach = (place: buildConnector.Options, options: { signal: AbortSignal }) => Promise<Socket>;

export interface ReachOptions {
  /** Authorities to trust, PEM. @defaultValue those of Node, with NODE_EXTRA_CA_CERTS */
  readonly ca?: string | undefined;
  /** @defaultValue the system's */
  readonly lookup?: Lookup | undefined;
}

export function createReach({ ca, lookup }: ReachOptions): Reach {
  // It knows how names are checked, and remembers TLS sessions. The signal bounds it.
  const secured = buildConnector({ ...(ca === undefined ? {} : { ca }), timeout: 0 });
  return async (place, { signal }) => {
    const isSecure = place.protocol === 'https:';
    const port = place.port === '' ? (isSecure ? 443 : 80) : Number(place.port);
    const socket = place.httpSocket ?? (await dialTcp({ host: place.hostname, port }, { signal, lookup }));
    if (!isSecure) return socket;
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        socket.destroy();
        reject(signal.reason);
      };
      if (signal.aborted) return onAbort();
      signal.addEventListener('abort', onAbort, { once: true });
      secured({ ...place, httpSocket: socket }, (...[error, ready]) => {
        signal.removeEventListener('abort', onAbort);
        if (error === null) return resolve(ready);
        socket.destroy();
        reject(error);
      });
    });
  };
}
