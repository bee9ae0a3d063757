/**
 * Is a message in a group meant for the bot? And what is left of it once the bot's own name is taken out. Pure.
 *
 * @see reference, MessageEntity: offsets count UTF-16 units, as JavaScript's strings do
 */
import type { Me } from './protocol.ts';
import type { Entity, Message } from './shapes.ts';

/** Mentioned, commanded, or answered. */
export function isAddressed(message: Message, text: string, entities: readonly Entity[], self: Me): boolean {
  return entities.some((entity) => namesBot(entity, text, self)) || answersBot(message, self);
}

function namesBot(entity: Entity, text: string, self: Me): boolean {
  const words = wordsOf(entity, text).toLowerCase();
  switch (entity.type) {
    case 'mention':
      return words === atName(self);
    case 'text_mention':
      return entity.user?.id === self.id;
    case 'bot_command':
      // One without a name may be for any bot that is there, and `/etc` within a sentence is marked as one, too.
      return entity.offset === 0 && words.endsWith(atName(self));
    default:
      return false;
  }
}

/** In a topic every message "answers" the one that opened the topic, which the bot may have created. */
function answersBot({ reply_to_message: answered, message_thread_id: thread }: Message, self: Me): boolean {
  if (answered === undefined || (thread !== undefined && answered.message_id === thread)) return false;
  return answered.from?.id === self.id;
}

/**
 * Names of others by which a message in a group calls somebody: one may be the bot's own new one.
 *
 * @returns in lower case, with the `@`
 */
export function namesCalled(text: string, entities: readonly Entity[], self: Me): readonly string[] {
  return entities
    .filter(({ type }) => type === 'mention' || type === 'bot_command')
    .map((entity) =>
      wordsOf(entity, text)
        .toLowerCase()
        .replace(/^[^@]*/, ''),
    )
    .filter((name) => name !== '' && name !== atName(self));
}

/** Takes the bot's name out of commands (`/start@name` → `/start`) and cuts a mention of it at the very start. */
export function withoutName(text: string, entities: readonly Entity[], self: Me): string {
  let result = text;
  // From the end, so that offsets stay true.
  for (const entity of [...entities].sort((a, b) => b.offset - a.offset)) {
    const words = wordsOf(entity, text);
    const isOurs = words.toLowerCase().endsWith(atName(self)) || entity.user?.id === self.id;
    const end = entity.offset + entity.length;
    if (entity.type === 'bot_command' && isOurs) {
      result = `${result.slice(0, end - atName(self).length)}${result.slice(end)}`;
    } else if (isOurs && /mention$/.test(entity.type) && text.slice(0, entity.offset).trim() === '') {
      result = result.slice(end);
    }
  }
  return result.trim();
}

function wordsOf({ offset, length }: Entity, text: string): string {
  return text.slice(offset, offset + length);
}

/** A bot without a name cannot be mentioned. */
function atName({ username }: Me): string {
  return username === undefined ? '@\u0000' : `@${username.toLowerCase()}`;
}
