/** What becomes of a connection's keys, platform by platform: options for the adapter, and secrets that stay in the process. */
import { type QqOptions, qqOptionsOf } from './qq.ts';
import type { ParsedConfig } from './schema.ts';
import { type TelegramOptions, telegramOptionsOf } from './telegram.ts';

type ParsedConnection = ParsedConfig['connections'][number];

/** Where no reply can come too late it does not matter what would become of one. */
export function partOf(connection: ParsedConnection): {
  readonly options: QqOptions | TelegramOptions;
  readonly lateReply: 'active' | 'drop';
} {
  switch (connection.platform) {
    case 'qq':
      return { options: qqOptionsOf(connection), lateReply: connection.lateReply };
    case 'telegram':
      return { options: telegramOptionsOf(connection), lateReply: 'active' };
    default:
      return connection satisfies never;
  }
}

/** By name; `proxy` among them where there is one, because it may hold a password. */
export function secretsFor(connection: ParsedConnection): Readonly<Record<string, string>> {
  const { proxy } = connection;
  const route: Readonly<Record<string, string>> = proxy === undefined ? {} : { proxy };
  switch (connection.platform) {
    case 'qq':
      return { clientSecret: connection.clientSecret, ...route };
    case 'telegram':
      return { token: connection.token, ...route };
    default:
      return connection satisfies never;
  }
}
