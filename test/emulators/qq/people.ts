/** The people and chats a test speaks through: what they say becomes events for the bot, and may then be answered. */
import { randomUUID } from 'node:crypto';
import type { Bot } from './bot.ts';
import type { Gateway } from './gateway.ts';
import type { ChatRef, EventCopy } from './journal.ts';
import { platformTimestamp, type Scene } from './protocol.ts';
import { newMessageId } from './sends.ts';

export interface SayOptions {
  /** Message id. @defaultValue a new one of the platform's shape */
  readonly id?: string;
  /** Added to the event's timestamp, for clocks that disagree; the passive window is not moved. @defaultValue 0 */
  readonly clockSkewMs?: number;
  /** Further fields of `d`, such as attachments. */
  readonly extra?: Readonly<Record<string, unknown>>;
}

/** Something said, as the platform pushed it. */
export interface Said {
  readonly chat: ChatRef;
  /** `d.id`, what a reply names as `msg_id`. */
  readonly messageId: string;
  /** Top-level `id` of the frame. */
  readonly eventId: string;
  /** One per session that wants the event; empty when the bot has none, and the message is then lost to it. */
  readonly copies: readonly EventCopy[];
}

export interface C2cUser {
  say(text: string, options?: SayOptions): Said;
}

export interface Group {
  /** GROUP_AT_MESSAGE_CREATE: the bot's name is cut off, the blank after it stays. */
  atBot(memberOpenid: string, text: string, options?: SayOptions): Said;
  /** GROUP_MESSAGE_CREATE with the bot among the mentioned, by the openid it has in groups. */
  mention(memberOpenid: string, text: string, options?: SayOptions): Said;
  /** GROUP_MESSAGE_CREATE: full reception is switched on for the group. */
  say(memberOpenid: string, text: string, options?: SayOptions): Said;
}

export interface Channel {
  /** AT_MESSAGE_CREATE, with the mention in front. */
  atBot(userId: string, text: string, options?: SayOptions): Said;
}

export interface DirectMessages {
  /** DIRECT_MESSAGE_CREATE. */
  say(userId: string, text: string, options?: SayOptions): Said;
}

/** By which the bot goes in groups. READY names another id. */
const ownOpenid = '42F7A1B2C3D4E5F60718293A4B5C6D7E';

/** Signs that would be mentions are escaped in guilds (wiki, openapi/message/message_format). */
function inGuild(text: string): string {
  return text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
}

/** One bot's surroundings. Calling a chat makes it known to the platform, so it can also be written to. */
export class People {
  readonly #bot: Bot;
  readonly #gateway: Gateway;
  #guildSeq = 0;

  constructor(bot: Bot, gateway: Gateway) {
    this.#bot = bot;
    this.#gateway = gateway;
  }

  user(openid: string): C2cUser {
    this.#bot.chats.open('c2c', openid);
    const author = { id: openid, user_openid: openid, union_openid: '' };
    return {
      say: (text, options = {}) =>
        this.#say('c2c', openid, 'C2C_MESSAGE_CREATE', options, {
          content: text,
          author,
          message_type: 0,
          message_scene: { source: 'default', ext: [`msg_idx=REFIDX_${randomUUID()}==`] },
          attachments: [],
        }),
    };
  }

  group(groupOpenid: string): Group {
    this.#bot.chats.open('group', groupOpenid);
    const body = (member: string, content: string) => ({
      content,
      group_id: groupOpenid,
      group_openid: groupOpenid,
      author: { id: member, member_openid: member, member_role: 'member', username: '', bot: false },
      message_type: 0,
      mentions: [],
      attachments: [],
    });
    return {
      atBot: (member, text, options = {}) =>
        this.#say('group', groupOpenid, 'GROUP_AT_MESSAGE_CREATE', options, body(member, ` ${text}`)),
      mention: (member, text, options = {}) =>
        this.#say('group', groupOpenid, 'GROUP_MESSAGE_CREATE', options, {
          ...body(member, `<@${ownOpenid}> ${text}`),
          mentions: [
            { scope: 'single', id: ownOpenid, member_openid: ownOpenid, username: '', bot: true, is_you: true },
          ],
        }),
      say: (member, text, options = {}) =>
        this.#say('group', groupOpenid, 'GROUP_MESSAGE_CREATE', options, body(member, text)),
    };
  }

  channel(guildId: string, channelId: string): Channel {
    this.#bot.chats.open('channel', channelId, guildId);
    return {
      atBot: (userId, text, options = {}) =>
        this.#say('channel', channelId, 'AT_MESSAGE_CREATE', options, {
          ...this.#guildBody(userId, guildId, channelId),
          content: `<@!${this.#bot.userId}> ${inGuild(text)}`,
          mentions: [{ id: this.#bot.userId, username: this.#bot.username, bot: true }],
        }),
    };
  }

  dm(guildId: string): DirectMessages {
    this.#bot.chats.open('dm', guildId, guildId);
    return {
      say: (userId, text, options = {}) =>
        this.#say('dm', guildId, 'DIRECT_MESSAGE_CREATE', options, {
          ...this.#guildBody(userId, guildId, `${guildId}1`),
          content: inGuild(text),
          direct_message: true,
          src_guild_id: guildId,
        }),
    };
  }

  /**
   * Any event. What it can be answered to is taken from `d` (`openid`/`user_openid`, `group_openid`, `channel_id`), and
   * an INTERACTION_CREATE waits for its acknowledgement.
   */
  event(t: string, d: Readonly<Record<string, unknown>>): Said {
    const chat = this.#chatOf(d);
    const eventId = `${t}:${randomUUID()}`;
    if (chat !== null) this.#bot.chats.open(chat.scene, chat.id).received('event', eventId, t, Date.now());
    if (t === 'INTERACTION_CREATE' && typeof d.id === 'string') this.#bot.chats.expectAck(d.id);
    const guild = typeof d.guild_id === 'string' ? { guildId: d.guild_id } : {};
    const copies = this.#gateway.push(this.#bot, { t, d, eventId, messageId: null, ...guild });
    return { chat: chat ?? { scene: 'c2c', id: '' }, messageId: String(d.id ?? ''), eventId, copies };
  }

  /**
   * An event whose text is given, also text that is no JSON.
   *
   * @param members - what follows `{"op":0,"s":N,` in the frame, without the last brace, such as `"t":"constructor"`
   */
  verbatim(members: string): Said {
    const eventId = `verbatim:${randomUUID()}`;
    const copies = this.#gateway.push(this.#bot, { t: 'VERBATIM', d: null, eventId, messageId: null, members });
    return { chat: { scene: 'c2c', id: '' }, messageId: '', eventId, copies };
  }

  #say(scene: Scene, chatId: string, t: string, options: SayOptions, body: Record<string, unknown>): Said {
    const at = Date.now();
    const messageId = options.id ?? newMessageId(scene);
    const eventId = `${t}:${randomUUID()}`;
    const chat = this.#bot.chats.open(scene, chatId);
    chat.received('message', messageId, t, at);
    const timestamp = platformTimestamp(at + (options.clockSkewMs ?? 0));
    const d = { id: messageId, timestamp, ...body, ...options.extra };
    const guild = typeof body.guild_id === 'string' ? { guildId: body.guild_id } : {};
    const copies = this.#gateway.push(this.#bot, { t, d, eventId, messageId, ...guild });
    return { chat: chat.ref, messageId, eventId, copies };
  }

  #guildBody(userId: string, guildId: string, channelId: string): Record<string, unknown> {
    const seq = ++this.#guildSeq;
    return {
      guild_id: guildId,
      channel_id: channelId,
      author: { id: userId, username: `user ${userId}`, avatar: '', bot: false },
      member: { joined_at: '2024-01-01T00:00:00+08:00', nick: `user ${userId}`, roles: ['1'] },
      seq,
      seq_in_channel: String(seq),
    };
  }

  #chatOf(d: Readonly<Record<string, unknown>>): ChatRef | null {
    const group = d.group_openid;
    if (typeof group === 'string') return { scene: 'group', id: group };
    const user = d.user_openid ?? d.openid;
    if (typeof user === 'string') return { scene: 'c2c', id: user };
    return typeof d.channel_id === 'string' ? { scene: 'channel', id: d.channel_id } : null;
  }
}
