/** What goes out: each end of a send is an outcome, and the outcome is the truth about what people saw. */
import { describe, expect, it } from 'vitest';
import type { Sender } from '../../../src/adapters/adapter.ts';
import { GatewayError } from '../../../src/errors.ts';
import type { InboundEvent, OutboundPart } from '../../../src/model.ts';
import type { ConformanceHarness } from '../harness.ts';
import { World } from '../world.ts';

const { signal } = new AbortController();

export function itSends(harness: ConformanceHarness): void {
  /** Somebody wrote, the holder is gone, and now it is to be answered. */
  async function asked(world: World): Promise<{ sender: Sender; event: InboundEvent; part: OutboundPart }> {
    const hold = await world.live();
    const event = await world.received('what is the time?');
    if (!world.capabilities.sendNeedsConnection) await world.kill(hold);
    return { sender: world.sender(), event, part: world.answer(event, 'half past nine') };
  }

  describe('sending', () => {
    it('reaches the chat that asked, without a held connection where the record says so', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      expect(await sender.send(part, { signal })).toMatchObject({ kind: 'sent' });
      expect(world.platform.seen()).toEqual(['half past nine']);
    });

    it('cuts a long text into parts that the platform takes, in order, and no character apart', async () => {
      await using world = await World.open(harness);
      const { sender, event } = await asked(world);
      const { maxTextLength } = world.capabilities;
      const text = `${'👍🏽 wörds and wörds '.repeat(Math.ceil((2.5 * maxTextLength) / 19))}end`;
      const { parts, overflow } = sender.split(text, null);
      expect(overflow).toEqual([]);
      expect(parts.length).toBeGreaterThan(2);
      for (const part of parts) {
        expect(part.length).toBeLessThanOrEqual(maxTextLength);
        expect(() => encodeURIComponent(part), 'a surrogate pair is cut').not.toThrow();
      }
      for (const [index, part] of parts.entries()) {
        expect(await sender.send(world.answer(event, part, index + 1), { signal })).toMatchObject({ kind: 'sent' });
      }
      const bare = (texts: readonly string[]) => texts.join('').replace(/\s/g, '');
      expect(bare(world.platform.seen())).toBe(bare([text]));
    });

    it('makes no more parts than may be sent; the rest is told apart', async () => {
      await using world = await World.open(harness);
      const sender = world.sender();
      const text = 'word '.repeat(world.capabilities.maxTextLength);
      const { parts, overflow } = sender.split(text, 2);
      expect(parts).toHaveLength(2);
      expect(overflow.length).toBeGreaterThan(0);
      expect(sender.split('short', 1)).toEqual({ parts: ['short'], overflow: [] });
    });

    it('refused for the rate says how long, and which bucket must wait', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      const afterMs = world.platform.faults.limitSend();
      const outcome = await sender.send(part, { signal });
      const keys = sender.buckets(part).map(({ key }) => key);
      if (outcome.kind !== 'rate-limited') expect.fail(JSON.stringify(outcome));
      expect(outcome.afterMs).toBeGreaterThanOrEqual(afterMs);
      expect(keys).toContain(outcome.bucket);
      expect(world.platform.seen()).toEqual([]);
      expect(await sender.send(part, { signal })).toMatchObject({ kind: 'sent' });
    });

    it('has buckets with limits, the same for the same part', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      const buckets = sender.buckets(part);
      for (const { key, count, windowMs } of buckets) {
        expect(key).toMatch(/./);
        expect(Math.min(count, windowMs)).toBeGreaterThan(0);
      }
      expect(sender.buckets(part)).toEqual(buckets);
    });

    it.each(['loseSendAnswer', 'hangSend'] as const)(
      'that arrived without an answer (%s) is never doubled',
      async (fault) => {
        await using world = await World.open(harness);
        const { sender, part } = await asked(world);
        world.platform.faults[fault]();
        const outcome = await sender.send(part, { signal });
        expect(world.platform.seen()).toEqual([part.text]);
        if (isRepeatable(world, sender, part)) {
          expect(outcome).toMatchObject({ kind: 'retry', maybeDelivered: true });
          const again = await sender.send(part, { signal });
          expect(['sent', 'duplicate']).toContain(again.kind);
        } else expect(outcome).toMatchObject({ kind: 'unknown', reason: expect.stringMatching(/\w{3}/) });
        expect(world.platform.seen()).toEqual([part.text]);
      },
    );

    it('that nobody can have received is tried again', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      await world.platform.faults.disappear();
      const outcome = await sender.send(part, { signal });
      expect(outcome).toMatchObject({ kind: 'retry', reason: expect.stringContaining('ECONNREFUSED') });
      expect(outcome).not.toHaveProperty('maybeDelivered', true);
      await world.platform.faults.reappear();
      expect(await sender.send(part, { signal })).toMatchObject({ kind: 'sent' });
      expect(world.platform.seen()).toEqual([part.text]);
    });

    it('answered by something that is not the platform is not taken for sent', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      world.platform.faults.garbleSend();
      expect(['retry', 'unknown']).toContain((await sender.send(part, { signal })).kind);
      expect(world.platform.seen()).toEqual([]);
    });

    it('cut off by a stop of the process ends as an outcome, too', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      world.platform.faults.hangSend();
      const stop = new AbortController();
      const sending = sender.send(part, { signal: stop.signal });
      await world.until('the message to arrive', () => world.platform.seen().length === 1);
      stop.abort(new Error('stopping'));
      expect(await sending).toMatchObject({ kind: isRepeatable(world, sender, part) ? 'retry' : 'unknown' });
    });

    it('to nowhere is refused for good, and does not throw', async () => {
      await using world = await World.open(harness);
      const { sender, part } = await asked(world);
      const reply = { ...part.reply, address: { of: 'another platform' } };
      const lost: OutboundPart = { ...part, conversation: 'nowhere', reply };
      expect(await sender.send(lost, { signal })).toMatchObject({ kind: 'rejected' });
      expect(world.platform.seen()).toEqual([]);
    });

    it('shows that an answer is being written, where there is such a thing', async () => {
      await using world = await World.open(harness);
      const { sender, event } = await asked(world);
      if (sender.typing === undefined || event.reply === null) return;
      await sender.typing(event.reply, { signal });
      await world.platform.faults.disappear();
      await expect(sender.typing(event.reply, { signal })).rejects.toThrow(GatewayError);
    });
  });
}

/** As the delivery worker decides it. */
function isRepeatable({ capabilities }: World, sender: Sender, part: OutboundPart): boolean {
  if (sender.repeatable !== undefined) return sender.repeatable(part);
  const { sendIdempotency } = capabilities;
  return sendIdempotency === 'key' || (sendIdempotency === 'key-on-replies' && part.mode === 'passive');
}
