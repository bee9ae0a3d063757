/**
 * Whoever answers: an agent gets the messages of one turn and gives back texts. It knows neither lanes nor platforms.
 *
 * A turn whose result could not be stored is asked again, with the same id and the same messages. An agent that acts
 * (not merely talks) should treat {@link AgentTurn.id} as an idempotency key.
 */
import type { ConnectionId, InboundEvent } from '../model.ts';

export interface AgentTurn {
  /** Stable over repeats of this turn. */
  readonly id: string;
  readonly connectionId: ConnectionId;
  /** The chat, as the platform names it. */
  readonly conversation: string;
  /** The chat, for an agent's own memory: short, printable ASCII, the same for ever. */
  readonly session: string;
  /** In order, at least one. */
  readonly messages: readonly InboundEvent[];
  /** What was said before, oldest first. */
  readonly history: readonly SaidBefore[];
}

export interface SaidBefore {
  readonly role: 'user' | 'assistant';
  readonly name: string | null;
  readonly text: string;
}

export interface AgentReply {
  /** The message of the turn that is answered. */
  readonly to: InboundEvent;
  /** Never empty. */
  readonly text: string;
}

export interface Agent {
  /** For logs. */
  readonly kind: string;
  /** Most messages in one turn. */
  readonly maxMessagesPerTurn: number;
  /** Entries of history it wants; 0 when it remembers by itself. */
  readonly historyMessages: number;
  /** A turn is given up after this many ms, and tried again later. */
  readonly timeoutMs: number;

  /**
   * @returns the replies in the order they should be sent; none when the agent has nothing to say
   * @throws TransientError when trying again later may help; its `retryAfterMs` is respected
   * @throws FatalError when this turn will never be answered
   * @throws the signal's reason when it aborts
   */
  reply(turn: AgentTurn, options: { signal: AbortSignal }): Promise<readonly AgentReply[]>;
}
