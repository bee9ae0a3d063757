/** What a process has to act for a connection with. Looked up whenever it is needed, because it may change at any time. */
import type { Secrets } from '../adapters/adapter.ts';
import type { DesiredConnection } from '../state/desired.ts';

export type Credentials =
  | {
      readonly kind: 'known';
      /** The connection as it was asked for, with what of its options only its secrets tell. */
      readonly connection: DesiredConnection;
      readonly secrets: Secrets;
      /** Changes whenever the secrets do. */
      readonly version: string;
    }
  /** This process cannot act for it; `reason` in words. */
  | { readonly kind: 'unknown'; readonly reason: string };
