import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DEEPEST, elementsAt, isTooDeep, numberAt } from '../../../src/adapters/json-scan.ts';

const deep = (levels: number) => `${'['.repeat(levels)}"[[[["${']'.repeat(levels)}`;

describe('depth', () => {
  it('is measured outside of texts, and without recursion', () => {
    expect(isTooDeep(deep(DEEPEST))).toBe(false);
    expect(isTooDeep(deep(DEEPEST + 1))).toBe(true);
    expect(isTooDeep(deep(1_000_000))).toBe(true);
    expect(isTooDeep(JSON.stringify('['.repeat(100_000)))).toBe(false);
    expect(isTooDeep(`"${'\\'.repeat(100_001)}"${'['.repeat(1_000)}`)).toBe(false);
  });
});

describe('what stands in the outermost object', () => {
  it('is found as JSON.parse finds it', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.constantFrom('s', 'a"s', '\\s', 'd', '__proto__'), fc.jsonValue()), (value) => {
        const text = JSON.stringify(value, null, 1);
        const own = Object.hasOwn(value, 's') ? value.s : undefined;
        const isPosition = typeof own === 'number' && Number.isSafeInteger(own) && own >= 0 && !Object.is(own, -0);
        expect(numberAt(text, 's')).toBe(isPosition && /^\d{1,16}$/.test(JSON.stringify(own)) ? own : null);
        const list = Object.hasOwn(value, 'd') && Array.isArray(value.d) ? value.d : null;
        // Through JSON: -0 is written as 0.
        expect(elementsAt(text, 'd')?.map((one) => JSON.parse(one)) ?? null).toEqual(JSON.parse(JSON.stringify(list)));
      }),
    );
  });

  it.each([
    ['{"s":1,"s":2}', 2],
    ['{"\\u0073":3}', 3],
    ['{"d":{"s":9},"s":4}', 4],
    ['{"d":"\\",\\"s\\":9","s":5}', 5],
    ['[{"s":1}]', null],
    ['"s":1', null],
    ['{"s":1e3}', null],
    ['{"s":99999999999999999}', null],
    ['{"s":6,"d":{', 6],
    ['', null],
  ])('%s', (text, found) => {
    expect(numberAt(text, 's')).toBe(found);
  });

  it('takes time linear in the text (H1)', () => {
    for (const unit of ['[', '{"', '\\"', '"a":', ' ', ',"', '{"s":']) {
      const text = `{"s":1,"result":[${unit.repeat(2_000_000 / unit.length)}`;
      const startedAt = performance.now();
      numberAt(text, 's');
      elementsAt(text, 'result');
      isTooDeep(text);
      expect(performance.now() - startedAt, unit).toBeLessThan(2_000);
    }
  });
});
