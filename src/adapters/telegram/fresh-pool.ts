import { settledWithin } from '../../async/abort.ts';
import type { HttpClient } from '../../http/client.ts';

const PATIENCE_MS = 500;

/**
 * Cuts every socket, so that the next call dials. Waits half a second at most: closing a suspect socket may hang for ever.
 *
 * @see NousResearch/hermes-agent #58270: a recovery that waited 11 h for a socket to close
 */
export async function freshPool(http: HttpClient): Promise<void> {
  // Whatever destroying says: the client has a new pool already.
  await settledWithin(http.destroy(), PATIENCE_MS).catch(() => false);
}
