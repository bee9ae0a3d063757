/** The process that renews each lease by itself, as rows see it. */
import type { Bench } from '../row.ts';
import { Child } from './child.ts';

export interface SetExSettings {
  readonly redisUrl: string;
  readonly connections: number;
  readonly everyMs: number;
}

export interface SetExOrders {
  ready: { readonly ask: Record<string, never>; readonly answer: Record<string, never> };
}

export async function startSetEx(bench: Bench, settings: SetExSettings): Promise<Child<SetExOrders>> {
  const child = new Child<SetExOrders>(bench.program('set-ex'), settings);
  await child.ask('ready', {});
  return child;
}
