/** A socket as the platform sees it at one instant, for tests that compare it with what the client claims. */
import type { Conduct } from './fault-book.ts';
import type { GatewayLink } from './link.ts';

export interface SocketView {
  readonly socket: number;
  readonly state: 'greeting' | 'authenticated' | 'ending' | 'gone';
  readonly conduct: Conduct;
  /** Authenticated, and its client gets ACKs and events. */
  readonly responsive: boolean;
  readonly sessionId: string | null;
  /** Instants in ms since the epoch. */
  readonly openedAt: number;
  readonly authenticatedAt: number | null;
  readonly lastHeartbeatAt: number;
}

export function viewOf(link: GatewayLink): SocketView {
  const { state, conduct } = link;
  const isAuthenticated = state.name === 'authenticated';
  return {
    socket: link.id,
    state: state.name,
    conduct,
    responsive: isAuthenticated && conduct === 'normal' && !state.session.deaf,
    sessionId: isAuthenticated ? state.session.id : null,
    openedAt: link.openedAt,
    authenticatedAt: isAuthenticated ? state.since : null,
    lastHeartbeatAt: link.lastHeartbeatAt,
  };
}
