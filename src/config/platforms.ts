/**
 * The platforms that can be configured. A new one is a line here, and one in run/adapters.ts with its adapter.
 */
import { qqConnection } from './qq.ts';
import { telegramConnection } from './telegram.ts';

export const PLATFORMS = [qqConnection, telegramConnection] as const;

export const PLATFORM_NAMES: readonly string[] = PLATFORMS.map(({ in: keys }) => keys.shape.platform.value);
