import type { Adapter } from '../adapters/adapter.ts';
import { createQqAdapter } from '../adapters/qq/index.ts';
import { createTelegramAdapter } from '../adapters/telegram/index.ts';

/** All platforms this build knows, one adapter instance each: access tokens and HTTP pools are shared per process. */
export function createAdapters(): ReadonlyMap<string, Adapter> {
  const all: Adapter[] = [createQqAdapter(), createTelegramAdapter()];
  return new Map(all.map((adapter) => [adapter.platform, adapter]));
}

/** Whether a conversation of this name can be a chat of `platform`; of a platform that nobody here knows it can. */
export function namesChat(platform: string, conversation: string): boolean {
  return createAdapters().get(platform)?.names?.(conversation) ?? true;
}
