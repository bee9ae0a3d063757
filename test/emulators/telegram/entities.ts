/** Entities the platform finds by itself in plain text: mentions, commands, hashtags, links. Offsets count UTF-16 units. */
import type { MessageEntity } from '@grammyjs/types';

type FoundType = 'mention' | 'bot_command' | 'hashtag' | 'url' | 'email';

/** Simpler than the platform's own search, which knows every top-level domain. */
const patterns: ReadonlyArray<readonly [FoundType, RegExp]> = [
  ['url', /\bhttps?:\/\/[^\s<>"]+|\b(?:[a-z0-9-]+\.)+(?:com|org|net|io|dev|me)\b(?:\/[^\s<>"]*)?/giu],
  ['email', /[\w.+-]+@[\w-]+(?:\.[\w-]+)+/gu],
  ['mention', /(?<![\w@/.])@[a-z]\w{2,31}\b/giu],
  ['bot_command', /(?<![\w/@<>])\/[a-z0-9_]{1,64}(?:@[a-z]\w{2,31})?\b/giu],
  ['hashtag', /(?<!\w)#\w+/gu],
];

/** @returns entities in order, none inside another */
export function findEntities(text: string): MessageEntity[] {
  const found: MessageEntity[] = [];
  for (const [type, pattern] of patterns) {
    for (const match of text.matchAll(pattern)) {
      const entity = { type, offset: match.index, length: match[0].length };
      if (!found.some((other) => overlap(entity, other))) found.push(entity);
    }
  }
  return found.sort((a, b) => a.offset - b.offset);
}

export function overlap(a: Span, b: Span): boolean {
  return a.offset < b.offset + b.length && b.offset < a.offset + a.length;
}

interface Span {
  readonly offset: number;
  readonly length: number;
}
