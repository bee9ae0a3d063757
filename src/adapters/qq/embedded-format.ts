/**
 * What a text must not say by accident. In guilds `<@id>`, `<@everyone>`, `<#id>` and `<emoji:id>` inside a text are
 * mentions, so `&`, `<` and `>` that are meant as such are escaped there, in both directions. In private chats and
 * groups nothing is escaped: people would read `&lt;` (nonebot/adapter-qq #92), and mentions are tags there.
 *
 * @see wiki bot.q.qq.com, openapi/message/message_format; `<qqbot-…>` tags: server-inter/message, read 2026-11-30
 */

/** A guild's text as people wrote it. */
export function unescapeGuildText(text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

export function escapeGuildText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

/** An agent's text must not mention, nor put commands into input boxes: the sign before a tag's name becomes a wide one. */
export function withoutTags(text: string): string {
  return text.replace(/<(?=\/?qqbot-)/gi, '＜');
}
