/**
 * The platforms that can be configured. A new one is a line here, and one in run/adapters.ts with its adapter.
 */

import { z } from 'zod';
import { ownValue } from '../model.ts';
import { qqConnection } from './qq.ts';
import { telegramConnection } from './telegram.ts';

const PLATFORMS = [qqConnection, telegramConnection] as const;

export const PLATFORM_NAMES: readonly string[] = PLATFORMS.map(({ in: keys }) => keys.shape.platform.value);

/** Where the platforms answer. Facts: docs/protocols, read 2026-11-22. */
export const PLATFORM_ORIGINS: readonly string[] = [
  'https://api.sgroup.qq.com',
  'https://sandbox.api.sgroup.qq.com',
  'https://bots.qq.com',
  'https://api.telegram.org',
];

/** Any one connection. */
export const connectionSchema = z.discriminatedUnion('platform', PLATFORMS, {
  error: ({ input }) =>
    typeof input === 'object' && input !== null
      ? `must be one of: ${PLATFORM_NAMES.join(', ')}`
      : 'must be a group of keys: id, platform and what the platform needs',
});

/** Whether some platform takes `text` for `key` as it is: digits are an app id, and elsewhere a number. */
export function takesText(key: string, text: string): boolean {
  return PLATFORMS.some(
    ({ in: { shape } }) => ownValue(shape as Record<string, z.ZodType>, key)?.safeParse(text).success === true,
  );
}
