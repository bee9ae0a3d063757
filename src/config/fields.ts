/**
 * Building blocks of the configuration schema. Each says what is wrong in words that contain the fix, and none ever
 * repeats a value: it might be a secret in the wrong place.
 */
import { z } from 'zod';
import { ownValue } from '../model.ts';
import { withoutTrailingSlashes } from '../text/trailing.ts';

type Issue = { readonly input?: unknown };

/** An error text that tells a missing key from a wrong one. */
function because(missing: string, wrong: string) {
  return ({ input }: Issue) => (input === undefined || input === null ? missing : `${wrong} (found ${kindOf(input)})`);
}

function kindOf(input: unknown): string {
  if (Array.isArray(input)) return 'a list';
  switch (typeof input) {
    case 'string':
      return 'text';
    case 'number':
      return 'a number';
    case 'boolean':
      return 'true or false';
    default:
      return 'a group of keys';
  }
}

/** Keys of a later version, or of another tool, that people will try: each with what to do. */
type Known = Readonly<Record<string, string>>;

/** An object whose unknown keys are errors that suggest the key that was meant. */
export function keysOf<Shape extends z.core.$ZodLooseShape>(shape: Shape, hints: Known = {}) {
  return z.strictObject(shape, {
    error: (issue) =>
      issue.code === 'unrecognized_keys'
        ? issue.keys
            .map((key) => `${key}\u0000${ownValue(hints, key) ?? unknownKey(key, Object.keys(shape))}`)
            .join('\u0001')
        : because('is missing', 'must be a group of keys')(issue),
  });
}

function unknownKey(key: string, known: readonly string[]): string {
  const [nearest] = known
    .map((name) => ({ name, distance: editDistance(key.toLowerCase(), name.toLowerCase()) }))
    .filter(({ name, distance }) => distance <= Math.ceil(name.length / 3))
    .sort((a, b) => a.distance - b.distance);
  return nearest === undefined
    ? `is not a known key; remove it, or use one of: ${known.join(', ')}`
    : `is not a known key; did you mean "${nearest.name}"?`;
}

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i += 1) {
    const next = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** A duration. `least` and `most` are inclusive, in ms. */
export function durationMs(fallback: number, about: string, { least = 1, most = 7 * 86_400_000 } = {}) {
  return z
    .int({ error: because('is missing', 'must be a whole number of milliseconds, without quotes or unit') })
    .min(least, { error: `must be at least ${least} (milliseconds)` })
    .max(most, { error: `must be at most ${most} (milliseconds)` })
    .default(fallback)
    .describe(about);
}

/** A count; `least` and `most` are inclusive. */
export function count(fallback: number, about: string, { least = 0, most = 1_000_000 } = {}) {
  return z
    .int({ error: because('is missing', 'must be a whole number, without quotes') })
    .min(least, { error: `must be at least ${least}` })
    .max(most, { error: `must be at most ${most}` })
    .default(fallback)
    .describe(about);
}

/** Text that must not be empty. `example` completes "is missing; add …". */
export function text(about: string, example: string) {
  return z
    .string({ error: because(`is missing; add ${example}`, `must be text, for example ${example}`) })
    .min(1, { error: `is empty; write ${example}` })
    .describe(about);
}

/** An http or https URL without a query; comes out without a slash at the end. */
export function httpUrl(about: string, example: string) {
  const wrong = `must be a URL that starts with http:// or https://, for example ${example}`;
  return z
    .string({ error: because(`is missing; add ${example}`, wrong) })
    .refine(isPlainHttpUrl, { error: `${wrong}; without "?", "#" or a password` })
    .transform(withoutTrailingSlashes)
    .describe(about);
}

function isPlainHttpUrl(input: string): boolean {
  if (!URL.canParse(input)) return false;
  const url = new URL(input);
  const plain = url.search === '' && url.hash === '' && url.username === '' && url.password === '';
  return plain && (url.protocol === 'http:' || url.protocol === 'https:');
}

/** One of `words`. */
export function oneOf<const Words extends readonly [string, ...string[]]>(words: Words, about: string) {
  const wrong = `must be one of: ${words.join(', ')}`;
  return z
    .enum(words, { error: ({ input }) => (input === undefined ? `is missing; ${wrong}` : wrong) })
    .describe(about);
}

export function yesOrNo(fallback: boolean, about: string) {
  return z
    .boolean({ error: because('is missing', 'must be true or false, without quotes') })
    .default(fallback)
    .describe(about);
}
