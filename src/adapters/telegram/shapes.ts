/**
 * The shapes of messages, as far as they are used. Everything is optional that a message can do without, and what cannot
 * be read counts as absent: a new version of the API must never make an update unreadable.
 *
 * @see reference (@grammyjs/types, message.d.ts), read 2026-11-22
 */
import { z } from 'zod';

/** What cannot be read is left out. */
const lenient = <T extends z.ZodType>(shape: T) => shape.optional().catch(undefined);

const user = z.looseObject({
  id: z.int(),
  is_bot: lenient(z.boolean()),
  first_name: lenient(z.string()),
  last_name: lenient(z.string()),
  username: lenient(z.string()),
});
export type User = z.infer<typeof user>;

const chat = z.looseObject({
  id: z.int(),
  type: z.enum(['private', 'group', 'supergroup', 'channel']).catch('supergroup'),
  title: lenient(z.string()),
  username: lenient(z.string()),
});

/** `offset` and `length` count UTF-16 units. */
const entity = z.looseObject({
  type: z.string(),
  offset: z.int().nonnegative(),
  length: z.int().nonnegative(),
  user: lenient(user),
});
export type Entity = z.infer<typeof entity>;

const file = z.looseObject({
  file_id: z.string().min(1),
  mime_type: lenient(z.string()),
  file_name: lenient(z.string()),
});
export type File = z.infer<typeof file>;
const sticker = file.extend({
  is_animated: lenient(z.boolean()),
  is_video: lenient(z.boolean()),
  emoji: lenient(z.string()),
});

export const message = z.looseObject({
  message_id: z.int(),
  date: lenient(z.number()),
  edit_date: lenient(z.number()),
  chat,
  from: lenient(user),
  sender_chat: lenient(chat),
  message_thread_id: lenient(z.int()),
  is_topic_message: lenient(z.boolean()),
  reply_to_message: lenient(z.looseObject({ message_id: lenient(z.int()), from: lenient(user) })),
  text: lenient(z.string()),
  entities: z.array(entity).catch([]).default([]),
  caption: lenient(z.string()),
  caption_entities: z.array(entity).catch([]).default([]),
  photo: lenient(z.array(file)),
  animation: lenient(file),
  document: lenient(file),
  video: lenient(file),
  audio: lenient(file),
  voice: lenient(file),
  video_note: lenient(file),
  sticker: lenient(sticker),
  location: lenient(z.looseObject({ latitude: z.number(), longitude: z.number() })),
  venue: lenient(z.looseObject({ title: z.string(), address: lenient(z.string()) })),
  contact: lenient(z.looseObject({ first_name: z.string(), phone_number: z.string() })),
  dice: lenient(z.looseObject({ emoji: z.string(), value: z.number() })),
  poll: lenient(z.looseObject({ question: z.string() })),
  migrate_to_chat_id: lenient(z.int()),
  migrate_from_chat_id: lenient(z.int()),
});
export type Message = z.infer<typeof message>;

export const callbackQuery = z.looseObject({
  id: z.string().min(1),
  from: user,
  message: lenient(message),
  data: lenient(z.string()),
});
export type CallbackQuery = z.infer<typeof callbackQuery>;

export const memberChange = z.looseObject({
  chat,
  from: lenient(user),
  date: lenient(z.number()),
  old_chat_member: z.looseObject({ status: z.string() }),
  new_chat_member: z.looseObject({ status: z.string() }),
});
export type MemberChange = z.infer<typeof memberChange>;
