/** Where a message goes, and how conversations are named: `c2c:`, `group:`, `channel:` or `dm:` and an id. */
import type { OutboundPart } from '../../model.ts';

/** The `address` of a reply handle. */
export type Address =
  | { readonly scene: 'c2c'; readonly openid: string }
  | { readonly scene: 'group'; readonly groupOpenid: string }
  | { readonly scene: 'channel'; readonly channelId: string }
  /** A guild's direct messages; the id is the virtual guild of the event. */
  | { readonly scene: 'dm'; readonly guildId: string };

/**
 * Ids are opaque (openids in hex, numbers of guilds, UUIDs of interactions) and stand in paths of calls. Anything else is
 * no id: `..` would make it another call.
 */
export function isId(value: unknown): value is string {
  return typeof value === 'string' && /^[A-Za-z0-9_][A-Za-z0-9_.~!=:@+-]{0,127}$/.test(value);
}

/** From the reply handle, or from the conversation's name where the handle is another adapter's or lost. */
export function addressOf({ reply, conversation }: Pick<OutboundPart, 'reply' | 'conversation'>): Address | null {
  const { scene, openid, groupOpenid, channelId, guildId } = asRecord(reply.address);
  if (scene === 'c2c' && isId(openid)) return { scene, openid };
  if (scene === 'group' && isId(groupOpenid)) return { scene, groupOpenid };
  if (scene === 'channel' && isId(channelId)) return { scene, channelId };
  if (scene === 'dm' && isId(guildId)) return { scene, guildId };
  return addressNamed(conversation);
}

/** @returns `null` for what names no chat of this platform */
export function addressNamed(conversation: string): Address | null {
  const [, kind, id] = /^(c2c|group|channel|dm):(.+)$/.exec(conversation) ?? [];
  if (!isId(id)) return null;
  switch (kind) {
    case 'c2c':
      return { scene: 'c2c', openid: id };
    case 'group':
      return { scene: 'group', groupOpenid: id };
    case 'channel':
      return { scene: 'channel', channelId: id };
    default:
      return { scene: 'dm', guildId: id };
  }
}

/** Where messages to it are posted. */
export function pathOf(address: Address): string {
  switch (address.scene) {
    case 'c2c':
      return `/v2/users/${encodeURIComponent(address.openid)}/messages`;
    case 'group':
      return `/v2/groups/${encodeURIComponent(address.groupOpenid)}/messages`;
    case 'channel':
      return `/channels/${encodeURIComponent(address.channelId)}/messages`;
    case 'dm':
      return `/dms/${encodeURIComponent(address.guildId)}/messages`;
    default:
      return address satisfies never;
  }
}

/** Private chats and groups, whose endpoints know msg_type and msg_seq; those of guilds do not. */
export function isV2({ scene }: Address): boolean {
  return scene === 'c2c' || scene === 'group';
}

function asRecord(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
}
