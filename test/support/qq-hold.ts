/** Runs the QQ adapter's hold against an emulator; see hold.ts. */
import type { Adapter } from '../../src/adapters/adapter.ts';
import { createQqAdapter } from '../../src/adapters/qq/index.ts';
import type { JsonValue } from '../../src/model.ts';
import type { QqEmulator } from '../emulators/qq/index.ts';
import { type Held, type HoldOptions, holdAdapter, MemorySink } from './hold.ts';

export type HeldQq = Held<MemorySink>;

type Given = Omit<HoldOptions<MemorySink>, 'adapter' | 'options' | 'secrets' | 'sink' | 'explain'>;

export interface HoldQqOptions extends Given {
  readonly options?: Readonly<Record<string, JsonValue>>;
  readonly clientSecret?: string;
  readonly adapter?: Adapter;
  /** A sink of the test's own. @defaultValue one that stores at once */
  readonly sink?: MemorySink;
}

export function holdQq(qq: QqEmulator, given: HoldQqOptions = {}): HeldQq {
  const { options, clientSecret = qq.clientSecret, adapter = createQqAdapter(), ...rest } = given;
  return holdAdapter({
    ...rest,
    adapter,
    options: { appId: qq.appId, apiBaseUrl: qq.apiBaseUrl, tokenUrl: qq.tokenUrl, ...options },
    secrets: { clientSecret },
    sink: given.sink ?? new MemorySink(given.cursor ?? null),
    explain: () => qq.journal.summary(),
  });
}
