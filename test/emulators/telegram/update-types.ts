/** The kinds of updates, how long each is kept, and which of them a bot wants (tdlib/telegram-bot-api, Client.cpp, read 2026-11-22). */
import type { Update } from '@grammyjs/types';

export type UpdateType = Exclude<keyof Update, 'update_id'>;

const hourMs = 3_600_000;
const day = 24 * hourMs;

/** Life in ms, counted from the message's own date where it has one. A dash of the API's newest kinds may be missing. */
const lifetimes: Readonly<Partial<Record<UpdateType, number>>> = {
  message: day,
  edited_message: day,
  channel_post: day,
  edited_channel_post: day,
  inline_query: 30_000,
  chosen_inline_result: 600_000,
  callback_query: 150_000,
  shipping_query: 150_000,
  pre_checkout_query: 150_000,
  poll: day,
  poll_answer: day,
  my_chat_member: day,
  chat_member: day,
  chat_join_request: day,
  chat_boost: day,
  removed_chat_boost: day,
  message_reaction: day,
  message_reaction_count: day,
  business_connection: day,
  business_message: day,
  edited_business_message: day,
  deleted_business_messages: day,
  purchased_paid_media: day,
  managed_bot: day,
  guest_message: day,
};

export function lifetimeOf(type: string): number {
  return lifetimes[type as UpdateType] ?? day;
}

const optIn: ReadonlySet<string> = new Set(['chat_member', 'message_reaction', 'message_reaction_count']);

function isDefault(type: string): boolean {
  return !optIn.has(type);
}

/**
 * Which updates a bot gets. The setting outlives calls and processes: an absent argument changes nothing, an empty list
 * is the default, unknown names are ignored, and a list with none known is the default, too.
 */
export class AllowedUpdates {
  #types: ReadonlySet<string> | null = null;

  /** @param argument the raw `allowed_updates` of a call; undefined when the call has none */
  update(argument: string | undefined): void {
    if (argument === undefined || argument === '') return;
    const names = namesIn(argument);
    if (names === null) return;
    const known = names.filter((name) => name in lifetimes);
    this.#types = known.length === 0 ? null : new Set(known);
  }

  /** Kinds the emulator does not know are treated as the default ones. */
  has(type: string): boolean {
    return this.#types === null ? isDefault(type) : this.#types.has(type);
  }

  /** As getWebhookInfo shows it; undefined for the default. */
  list(): UpdateType[] | undefined {
    return this.#types === null ? undefined : ([...this.#types] as UpdateType[]);
  }
}

function namesIn(argument: string): string[] | null {
  try {
    const value: unknown = JSON.parse(argument);
    if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) return null;
    return value.map((name: string) => name.toLowerCase());
  } catch {
    return null;
  }
}
