/**
 * The chats a bot is in, and what may still be answered in each: which messages were received there, until when, how
 * often they were answered, and with which msg_seq. Two-sided memory of a chat, as the platform keeps it.
 */
import type { ChatRef } from './journal.ts';
import type { Scene } from './protocol.ts';

/** Something a reply can refer to: a message (`msg_id`) or another event (`event_id`). */
export interface Answerable {
  readonly kind: 'message' | 'event';
  readonly id: string;
  /** Event name, to tell events that may not be answered. */
  readonly t: string;
  readonly at: number;
  replies: number;
  readonly usedSeqs: Set<number>;
}

export class Chat {
  readonly ref: ChatRef;
  /** Channels know their guild. */
  readonly guildId: string | null;
  /** Times of active messages, for the quotas. */
  readonly activeAt: number[] = [];
  /** Ids of the bot's own messages, which may be recalled but not answered. */
  readonly sent = new Set<string>();
  readonly #answerables = new Map<string, Answerable>();

  constructor(ref: ChatRef, guildId: string | null) {
    this.ref = ref;
    this.guildId = guildId;
  }

  received(kind: Answerable['kind'], id: string, t: string, at: number): void {
    this.#answerables.set(`${kind} ${id}`, { kind, id, t, at, replies: 0, usedSeqs: new Set() });
  }

  answerable(kind: Answerable['kind'], id: string): Answerable | undefined {
    return this.#answerables.get(`${kind} ${id}`);
  }
}

export class Chats {
  readonly #chats = new Map<string, Chat>();
  readonly #interactions = new Map<string, { acked: boolean }>();

  /** The chat, made known to the platform if it is new. */
  open(scene: Scene, id: string, guildId: string | null = null): Chat {
    const key = `${scene} ${id}`;
    let chat = this.#chats.get(key);
    if (chat === undefined) {
      chat = new Chat({ scene, id }, guildId);
      this.#chats.set(key, chat);
    }
    return chat;
  }

  find(scene: Scene, id: string): Chat | undefined {
    return this.#chats.get(`${scene} ${id}`);
  }

  expectAck(interactionId: string): void {
    this.#interactions.set(interactionId, { acked: false });
  }

  /** @returns false for an unknown interaction and for a second acknowledgement */
  ack(interactionId: string): boolean {
    const interaction = this.#interactions.get(interactionId);
    if (interaction === undefined || interaction.acked) return false;
    interaction.acked = true;
    return true;
  }
}
