/** What a link in markup becomes: a mention of a user, a link, or nothing where the address is none. */
import type { MessageEntity } from '@grammyjs/types';

interface Span {
  readonly offset: number;
  readonly length: number;
}

export function linkEntity(address: string, span: Span): MessageEntity | null {
  const userId = /^tg:\/\/user\?id=(\d+)$/i.exec(address)?.[1];
  if (userId !== undefined)
    return { type: 'text_mention', user: { id: Number(userId), is_bot: false, first_name: '' }, ...span };
  const url = checkedUrl(address);
  return url === null ? null : { type: 'text_link', url, ...span };
}

/** An address without a scheme is taken for http, one without a dot for none. */
function checkedUrl(address: string): string | null {
  const full = /^[a-z][a-z0-9+.-]*:/i.test(address) ? address : `http://${address}`;
  if (!URL.canParse(full)) return null;
  const { protocol, hostname, href } = new URL(full);
  if (!['http:', 'https:', 'tg:', 'ton:', 'ftp:'].includes(protocol)) return null;
  return protocol.startsWith('http') && !hostname.includes('.') && hostname !== 'localhost' ? null : href;
}
