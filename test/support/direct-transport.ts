import { createTransport, type OwnedTransport } from '../../src/http/transport.ts';

/** No proxy, whatever the environment of the test run says. */
export function openDirect(): OwnedTransport {
  return createTransport({ proxy: 'direct', environment: {} });
}
