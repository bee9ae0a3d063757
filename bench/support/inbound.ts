/** The process that times Holdfast's inbound path, as rows see it. */
import type { GatewayAddresses } from './gateway.ts';

export interface InboundSettings {
  readonly redisUrl: string;
  readonly gateway: GatewayAddresses;
}

export interface InboundOrders {
  live: { readonly ask: Record<string, never>; readonly answer: Record<string, never> };
  /** Forgets what was measured. */
  begin: { readonly ask: Record<string, never>; readonly answer: Record<string, never> };
  /** From frame to Redis's answer, ms. */
  latencies: { readonly ask: Record<string, never>; readonly answer: { readonly latencies: readonly number[] } };
}
