/** What the gateway's process is asked for, and what it answers. */
import type { EventShape } from './frames.ts';

export interface GatewaySettings {
  readonly tls: { readonly key: string; readonly cert: string } | null;
  readonly heartbeatEveryMs: number;
}

export interface Talk {
  readonly events: number;
  /** Over all sessions. */
  readonly chats: number;
  readonly shape: EventShape;
  /** Only so many of the sessions that are live are talked to. @defaultValue all */
  readonly sessions?: number;
}

export interface GatewayOrders {
  /** Resolves when so many sessions are live at once. */
  untilLive: { readonly ask: { readonly count: number }; readonly answer: { readonly at: number } };
  look: {
    readonly ask: Record<string, never>;
    readonly answer: {
      readonly live: number;
      /** Of any socket, ms. */
      readonly longestBeatGapMs: number;
    };
  };
  /** Resumes that were confirmed since `after`. */
  resumed: {
    readonly ask: { readonly after: number };
    readonly answer: { readonly resumed: readonly { readonly account: string; readonly at: number }[] };
  };
  /** Pushes events as fast as they are taken; answers when the last was handed to the kernel. */
  flood: { readonly ask: Talk; readonly answer: { readonly startedAt: number; readonly endedAt: number } };
  /** The same, and waits until each was answered by a message. */
  floodAnswered: { readonly ask: Talk; readonly answer: { readonly startedAt: number; readonly endedAt: number } };
  /** One event at a time at a steady rate; answers with the time from push to the message that answers it, ms. */
  pace: {
    readonly ask: Talk & { readonly perSecond: number; readonly answered: boolean };
    readonly answer: { readonly latencies: readonly number[] };
  };
}
