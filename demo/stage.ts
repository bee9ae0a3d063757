/** What an act works with, and what it leaves behind. */
import type { QqEmulator } from '../test/emulators/qq/index.ts';
import type { TelegramEmulator } from '../test/emulators/telegram/index.ts';
import type { IdleCuttingProxy } from '../test/support/idle-cutting-proxy.ts';
import type { Recovery } from './recovery.ts';
import type { Traffic } from './traffic.ts';
import type { World } from './world.ts';

export interface Stage {
  readonly qq: QqEmulator;
  readonly telegram: TelegramEmulator;
  /** Both bots reach their platforms through it, and through nothing else. */
  readonly proxy: IdleCuttingProxy;
  readonly world: World;
  readonly traffic: Traffic;
  /** Ends the demonstration: everything that waits must end with it. */
  readonly signal: AbortSignal;
  /** What is being waited for, for the moving line. */
  now(doing: string): void;
}

export interface Act {
  /** A few words, for the table. */
  readonly name: string;
  /** One line: what is about to happen. */
  readonly title: string;
  /** @returns its recoveries, and the outcome in words. @throws Error when there was none in time */
  play(stage: Stage): Promise<Outcome>;
}

export interface Outcome {
  readonly recoveries: readonly Recovery[];
  readonly telling: readonly string[];
}
