/** Sends a peer's calls for the platform's hard-coded hosts to the gateway; see test/support/foreign-clients. */
import '../../test/support/foreign-clients/redirect.ts';
