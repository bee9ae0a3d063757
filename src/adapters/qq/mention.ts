/**
 * Is a message that everybody in a group or channel can read meant for the bot? And what is left of it without the bot's
 * own mention. Pure.
 *
 * In a group the bot goes by an openid of its own, which is nowhere told but in `mentions`; in guilds by the id that READY
 * names.
 *
 * @see wiki bot.q.qq.com, autogen/event (GROUP_MESSAGE_CREATE), and nonebot/adapter-qq PR #195, read 2026-11-30
 */
import { z } from 'zod';

const optionalText = z.string().optional().catch(undefined);
const optionalFlag = z.boolean().optional().catch(undefined);

const person = z.object({
  id: optionalText,
  member_openid: optionalText,
  user_openid: optionalText,
  bot: optionalFlag,
  is_you: optionalFlag,
});
type Person = z.infer<typeof person>;

/** Whoever cannot be read is nobody; the others still count. */
const mentions = z.array(person.catch({})).catch([]);
/** The quoted message of a reply, where `message_type` is {@link QUOTE}. */
const quotes = z.array(z.object({ author: person.optional().catch(undefined) }).catch({})).catch([]);

/** Most messages mention and quote nobody: what is here is read when it is asked for. */
export interface Openly {
  readonly content?: string | null | undefined;
  readonly message_type?: number | undefined;
  readonly mentions?: unknown;
  readonly msg_elements?: unknown;
}

function mentionedIn({ mentions: list }: Openly): readonly Person[] {
  return Array.isArray(list) && list.length > 0 ? mentions.parse(list) : [];
}

/** `message_type` of a reply. */
const QUOTE = 103;
const MENTION = /[ \u00a0]?<(?:@!?([\w.=-]{1,128})|qqbot-at-user id="([^"<>]{1,128})" ?\/?)>/g;

/**
 * Mentioned, or answered. The author of a quoted message has an openid that we cannot know, so an answer to any bot
 * counts: where there are several in a group, people mention the one they mean.
 */
export function isAddressed(message: Openly, selfId: string | null): boolean {
  const own = ownIds(message, selfId);
  if (mentionedIn(message).some((each) => isUs(each, selfId))) return true;
  if (message.message_type === QUOTE && quotes.parse(message.msg_elements).some(({ author }) => author?.bot === true)) {
    return true;
  }
  return [...(message.content ?? '').matchAll(MENTION)].some(([, id, tagged]) => own.has(id ?? tagged ?? ''));
}

/** Cuts the bot's mentions out. @param isFirst - who is mentioned at the very start is the bot, whatever its id */
export function withoutOwnMention(message: Openly, selfId: string | null, isFirst: boolean): string {
  const content = message.content ?? '';
  if (!content.includes('<')) return content.trim();
  const own = ownIds(message, selfId);
  const text = isFirst && own.size === 0 ? content.replace(/^\s*<@!?\d+>/, '') : content;
  return text
    .replace(MENTION, (whole, id?: string, tagged?: string) => (own.has(id ?? tagged ?? '') ? '' : whole))
    .trim();
}

function ownIds(message: Openly, selfId: string | null): ReadonlySet<string> {
  const ids = mentionedIn(message)
    .filter((each) => isUs(each, selfId))
    .flatMap((each) => idsOf(each));
  return new Set(selfId === null ? ids : [selfId, ...ids]);
}

function isUs(person: Person, selfId: string | null): boolean {
  return person.is_you === true || (selfId !== null && idsOf(person).includes(selfId));
}

function idsOf({ id, member_openid: member, user_openid: user }: Person): string[] {
  return [id, member, user].filter((each) => each !== undefined && each !== '') as string[];
}
