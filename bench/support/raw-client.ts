/** The floor's process, as rows see it. */
import type { Bench } from '../row.ts';
import { Child } from './child.ts';
import type { BenchGateway } from './gateway.ts';

export interface RawSettings {
  readonly gatewayUrl: string;
  readonly apiBaseUrl: string;
  readonly redisUrl: string | null;
  /** `frame`: nothing; `parse`: JSON.parse; `store`: a pipelined EVALSHA each; `echo`: answered at once. */
  readonly work: 'frame' | 'parse' | 'store' | 'echo';
}

export interface RawOrders {
  connect: { readonly ask: { readonly count: number }; readonly answer: { readonly sessions: readonly string[] } };
  resume: {
    readonly ask: { readonly sessions: readonly string[] };
    readonly answer: { readonly sessions: readonly string[] };
  };
  /** Counts from now on; answers when so many more events are done with. */
  until: { readonly ask: { readonly more: number }; readonly answer: { readonly at: number } };
  /** From frame to Redis's answer, ms, since the last `until`. */
  latencies: { readonly ask: Record<string, never>; readonly answer: { readonly latencies: readonly number[] } };
}

export type RawClient = Child<RawOrders>;

export function startRawClient(
  bench: Bench,
  gateway: BenchGateway,
  work: RawSettings['work'],
  redisUrl: string | null = null,
): RawClient {
  const { gatewayUrl, apiBaseUrl, env } = gateway;
  const settings: RawSettings = { gatewayUrl, apiBaseUrl, redisUrl, work };
  return new Child<RawOrders>(bench.program('raw-client'), settings, env);
}
