import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { splitForParts } from '../../../src/adapters/split.ts';
import { boundParts, boundReplies } from '../../../src/workers/cut-answer.ts';
import { message } from '../../support/inbound.ts';

const sender = { split: (text: string, most: number | null) => splitForParts(text, 200, most) };
const to = message('m1', 'c2c:ann', { reply: { key: 'm1', deadlineAt: null, quota: null, address: null } });
const nowhere = message('m2', 'c2c:ann', { reply: null });
const partsOf = (replies: readonly { readonly text: string }[]) =>
  replies.flatMap(({ text }) => sender.split(text, null).parts);

describe('an answer of more parts than are allowed', () => {
  it('is left alone up to the number (H2)', () => {
    const replies = [{ to, text: 'x'.repeat(1_000) }];
    expect(boundReplies(replies, sender, 5)).toEqual({ replies, cut: null });
  });

  it('is cut there, and says how much of it is shown (H2)', () => {
    const { replies, cut } = boundReplies([{ to, text: 'word '.repeat(2_000) }], sender, 4);
    const parts = partsOf(replies);
    expect(parts).toHaveLength(4);
    expect(cut?.of).toBe(10_000);
    expect(cut?.shown).toBeGreaterThan(500);
    expect(parts.at(-1)).toMatch(new RegExp(`word\n\n… answer cut: ${cut?.shown} of 10000 characters$`));
  });

  it('has the notice outside of a code block that was cut', () => {
    const { replies } = boundReplies([{ to, text: `\`\`\`ts\n${'call();\n'.repeat(900)}\`\`\`` }], sender, 3);
    expect(partsOf(replies).at(-1)).toMatch(/\n```\n\n… answer cut: \d+ of \d+ characters$/);
  });

  it('counts all replies of a turn together; the last that has room says it (H2)', () => {
    const { replies, cut } = boundReplies(
      Array.from({ length: 5_000 }, (_, n) => ({ to, text: `reply ${n}` })),
      sender,
      3,
    );
    expect(replies.map(({ text }) => text)).toEqual([
      'reply 0',
      'reply 1',
      `reply 2\n\n… answer cut: 21 of ${cut?.of} characters`,
    ]);
  });

  it('counts nothing for what cannot be sent at all, and keeps a bounded text of it', () => {
    const { replies, cut } = boundReplies(
      [
        { to: nowhere, text: 'x'.repeat(1e6) },
        { to, text: 'hello' },
      ],
      sender,
      1,
    );
    expect(replies.map(({ text }) => text.length)).toEqual([20_000, 5]);
    expect(cut).toBe(null);
  });

  it('never exceeds the number, whatever the texts', () => {
    const texts = fc.array(
      fc.string({ unit: 'grapheme', maxLength: 3_000 }).filter((text) => text.trim() !== ''),
      {
        minLength: 1,
        maxLength: 6,
      },
    );
    fc.assert(
      fc.property(texts, fc.integer({ min: 1, max: 12 }), (all, most) => {
        const given = all.map((text) => ({ to, text }));
        const { replies, cut } = boundReplies(given, sender, most);
        expect(partsOf(replies).length).toBeLessThanOrEqual(most);
        if (cut === null) expect(replies).toEqual(given);
        else expect(partsOf(replies).at(-1)).toContain('answer cut');
      }),
      { numRuns: 200 },
    );
  });
});

describe('a message that was stored whole', () => {
  it('is divided, and cut at the number as an answer is (H2)', () => {
    expect(boundParts('short', sender, 3)).toEqual({ parts: ['short'], cut: null });
    const { parts, cut } = boundParts('x'.repeat(2_000), sender, 3);
    expect(parts).toHaveLength(3);
    expect(parts.at(-1)).toContain(`… answer cut: ${cut?.shown} of 2000 characters`);
    expect(boundParts('x'.repeat(2_000), sender, 1).parts).toHaveLength(1);
  });
});
