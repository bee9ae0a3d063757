/**
 * What hostile or broken programs send: names out of Object.prototype, depth, lone surrogates, huge ids and numbers, values
 * of the wrong kind in every place of a message that is otherwise right.
 */
import fc from 'fast-check';
import type { JsonValue } from '../../src/model.ts';

/** Inputs of one property; a million in `npm run test:long`, over all properties of a file. */
export function runs(quick: number): number {
  return process.env.HOLDFAST_TEST_LONG === '1' ? 250_000 : quick;
}

const hostileName = fc.oneof(
  fc.constantFrom(
    '__proto__',
    'constructor',
    'toString',
    'valueOf',
    'hasOwnProperty',
    'prototype',
    'then',
    'length',
    '',
  ),
  fc.constantFrom('__defineGetter__', 'isPrototypeOf', '\u0000', '.', '..', '../..', 'a'.repeat(5_000), '\ud83d', '‮'),
  fc.string({ unit: 'binary', maxLength: 12 }),
);

export const hostileText = fc.oneof(
  hostileName,
  fc.constantFrom(
    '\u001b]52;c;QQ==\u0007',
    'x://::::',
    '$' + '{HOME}',
    '{{7*7}}',
    '<script>',
    '\u200b',
    ' ',
    '\r\n\r\n',
    '%00',
  ),
  fc.constantFrom(
    '```',
    '~~~\n'.repeat(40),
    `x://${':'.repeat(3_000)}`,
    '@everyone',
    '\ud800'.repeat(9),
    '-1',
    '1e999',
  ),
  fc.string({ unit: 'grapheme', maxLength: 40 }),
);

const hostileNumber = fc.constantFrom(0, -1, 0.5, 1e308, -1e308, 2 ** 53 + 1, 2 ** 31, -(2 ** 31), 1e21, 5e-324);

/** Some value of any kind; small, but for a few that are large. */
const hostileValue: fc.Arbitrary<JsonValue> = fc.oneof(
  hostileText,
  hostileNumber,
  fc.constantFrom(null, true, false),
  fc.array(hostileText, { maxLength: 3 }),
  fc.dictionary(hostileName, hostileText, { maxKeys: 3 }),
  fc.integer({ min: 1, max: 60 }).map(nested),
  fc.constant('I'.repeat(30_000)),
);

function nested(depth: number): JsonValue {
  let value: JsonValue = 'deep';
  for (let level = 0; level < depth; level += 1) value = level % 2 === 0 ? [value] : { a: value };
  return value;
}

/** JSON text of `message` with one to three of its places changed, taken away, doubled or made deep; or of something else. */
export function mutantsOf(...messages: readonly JsonValue[]): fc.Arbitrary<string> {
  const change = fc.record({
    where: fc.nat(),
    how: fc.constantFrom('replace', 'delete', 'add', 'wrap'),
    name: hostileName,
    value: hostileValue,
  });
  const mutated = fc
    .tuple(fc.constantFrom(...messages), fc.array(change, { minLength: 1, maxLength: 3 }))
    .map(([message, changes]) => {
      const copy = { root: structuredClone(message) as unknown };
      for (const one of changes) apply(copy, one);
      return JSON.stringify(copy.root) ?? 'null';
    });
  return fc.oneof(
    { weight: 8, arbitrary: mutated },
    { weight: 1, arbitrary: hostileValue.map((value) => JSON.stringify(value)) },
    // Not JSON, or not as `JSON.stringify` would write it.
    {
      weight: 1,
      arbitrary: fc.oneof(
        fc.constantFrom('', '{', 'null', '[]', '"', '{"a":1}{"a":2}', '\ufeff{}', 'undefined', '<html>'),
        fc.constantFrom('['.repeat(5_000), '{"a":'.repeat(5_000), `{"__proto__":{"polluted":true}}`, '{"a":1e999}'),
        fc.string({ unit: 'binary', maxLength: 60 }),
      ),
    },
  );
}

interface Change {
  readonly where: number;
  readonly how: string;
  readonly name: string;
  readonly value: JsonValue;
}

/** One place of the whole, chosen by a number. */
function apply(copy: { root: unknown }, { where, how, name, value }: Change): void {
  const places: { readonly holder: Record<string, unknown>; readonly key: string }[] = [];
  const walk = (holder: Record<string, unknown>, key: string): void => {
    places.push({ holder, key });
    const inner = holder[key];
    if (typeof inner !== 'object' || inner === null) return;
    for (const each of Object.keys(inner)) walk(inner as Record<string, unknown>, each);
  };
  walk(copy as unknown as Record<string, unknown>, 'root');
  const place = places[where % places.length];
  if (place === undefined) return;
  const { holder, key } = place;
  const inner = holder[key];
  if (how === 'delete' && key !== 'root') delete holder[key];
  else if (how === 'wrap') holder[key] = [inner];
  else if (how === 'add' && typeof inner === 'object' && inner !== null && !Array.isArray(inner))
    Object.defineProperty(inner, name, { value, enumerable: true, configurable: true, writable: true });
  else holder[key] = value;
}

/** Nobody reached Object.prototype. @throws Error when somebody did */
export function expectNoPollution(): void {
  const found = Object.keys(Object.getOwnPropertyDescriptors(Object.prototype)).filter((key) => key === 'polluted');
  if (found.length > 0) throw new Error(`Object.prototype was changed: ${found.join(', ')}`);
}
