import type { Sender } from '../../src/adapters/adapter.ts';
import { sleep } from '../../src/async/abort.ts';
import type { Wire } from './network.ts';
import type { Platform } from './platform.ts';
import type { Random } from './random.ts';

export interface SimSenderOptions {
  readonly platform: Platform;
  readonly wire: Wire;
  readonly random: Random;
}

/** Replies go over HTTP, by whoever delivers: request or answer may be lost. */
export function simSender({ platform, wire, random }: SimSenderOptions): Sender {
  return {
    split: (text) => ({ parts: text.split('|'), overflow: [] }),
    buckets: () => [{ key: 'all', count: 50, windowMs: 1_000 }],
    async send(part, { signal }) {
      await sleep(platform.callMs(), { signal });
      if (wire.isCut || random.chance(platform.lostCalls)) return lost('the request', false);
      const answer = platform.deliver(part.reply, part.ordinal);
      if (answer === 'sent') platform.show(part.conversation, part.text);
      await sleep(platform.callMs(), { signal });
      if (wire.isCut || random.chance(platform.lostCalls)) return lost('the answer', true);
      return answer === 'sent' ? { kind: 'sent', platformId: null } : { kind: 'duplicate' };
    },
  };
}

function lost(what: string, maybeDelivered: boolean) {
  return { kind: 'retry', afterMs: null, code: 'TRANSPORT', reason: `${what} was lost`, maybeDelivered } as const;
}
