import { afterEach, describe, expect, it } from 'vitest';
import { asReason, foreignText } from '../../../src/text/foreign-text.ts';
import { registerSecret } from '../../../src/text/known-secrets.ts';
import { redact } from '../../../src/text/redact.ts';

const SIZE = 1 << 18;
/** Strings that once cost, or could cost, the square of their length. */
const ADVERSARIAL: readonly (readonly [string, string])[] = [
  ['a scheme and colons', `x://${':'.repeat(SIZE)}`],
  ['a scheme without an end', 'a-'.repeat(SIZE / 2)],
  ['many schemes', '://'.repeat(SIZE / 3)],
  ['many schemes with users', 'x://u:'.repeat(SIZE / 6)],
  ['keys that never get a value', '"secret":"'.repeat(SIZE / 10)],
  ['quoted keys that never get a value', '\\"secret\\":\\"'.repeat(SIZE / 13)],
  ['spaces behind a key', `"secret":${' '.repeat(SIZE)}`],
  ['backslashes', '\\'.repeat(SIZE)],
  ['names of keys', 'client-secret'.repeat(SIZE / 13)],
  ['bots', `Bot ${'1'.repeat(SIZE)}`],
  ['queries', '?key='.repeat(SIZE / 5)],
];

describe('redaction', () => {
  it.each(ADVERSARIAL)('takes time linear in the text: %s (H1)', (_name, text) => {
    const time = (it: string) => {
      const startedAt = performance.now();
      redact(it);
      return performance.now() - startedAt;
    };
    redact(text.slice(0, 4_096));
    // The square of this length would be minutes.
    expect(time(text)).toBeLessThan(2_000);
  });

  it.each([
    ['redis://user:pa@ss@host:1/0', 'redis://[redacted]@host:1/0'],
    ['https://a:b@c and https://d:e@f', 'https://[redacted]@c and https://[redacted]@f'],
    ['https://host:8080/path?mail=a@b', 'https://host:8080/path?mail=a@b'],
    ['{"clientSecret":"a\\"b","n":1}', '{"clientSecret":"[redacted]","n":1}'],
    ['said \\"access_token\\": \\"abc\\" twice', 'said \\"access_token\\": \\"[redacted]\\" twice'],
  ])('takes secrets out by their form: %s', (text, clean) => {
    expect(redact(text)).toBe(clean);
  });
});

describe('text that others chose', () => {
  const forget: (() => void)[] = [];
  afterEach(() => {
    for (const one of forget.splice(0)) one();
  });

  it('never keeps the start of a secret that it was cut in', () => {
    const secret = 'planted-secret-that-is-rather-long-0123456789';
    forget.push(registerSecret(secret));
    for (let before = 440; before <= 500; before += 1) {
      const shown = foreignText(`${'x'.repeat(before)}${secret} and more`.repeat(3), 500);
      expect(shown, String(before)).not.toContain(secret.slice(0, 7));
    }
  });

  it.each([
    ['a value of a key', `"token":"`],
    ['a password in a URL', 'https://user:'],
    ['a bearer token', 'Bearer '],
  ])('never keeps what stands at the cut: %s', (_name, start) => {
    const text = `${'x'.repeat(480)} ${start}${'S3CRET'.repeat(100)}`;
    expect(foreignText(text, 500)).not.toContain('S3CRE');
  });

  it('is bounded, and says how long it was', () => {
    expect(foreignText('x'.repeat(60_000), 500)).toBe(`${'x'.repeat(500)}… (60000 characters)`);
    expect(foreignText('short', 500)).toBe('short');
  });

  it('cuts no character in two and carries no lone surrogate (G33)', () => {
    const shown = foreignText(`${'x'.repeat(499)}😀${'y'.repeat(100)}\ud83d`, 500);
    expect(shown.startsWith(`${'x'.repeat(499)}…`)).toBe(true);
    expect(foreignText('a\ud83db', 500)).toBe('a\ufffdb');
  });

  it('is one harmless line as a reason (M4)', () => {
    expect(asReason('\u001b]52;c;AAAA\u0007red\u001b[2J\r\nFAKE\u202eLINE')).toBe(
      '\\u{1b}]52;c;AAAA\\u{7}red\\u{1b}[2J ⏎ FAKE\\u{202e}LINE',
    );
    expect(asReason('\u0000'.repeat(10_000)).length).toBeLessThan(1_100);
  });
});
