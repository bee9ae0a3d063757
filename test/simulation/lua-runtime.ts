/** What compiled Lua needs while it runs: tables, coercions, and the few library functions that our scripts use. */

export type LuaValue = string | number | boolean | undefined | LuaTable;

/** Lists and dictionaries alike; lists count from 1. */
export class LuaTable {
  readonly list: LuaValue[];
  readonly #hash = new Map<string | number, LuaValue>();

  constructor(list: LuaValue[] = []) {
    this.list = list;
  }

  get(key: LuaValue): LuaValue {
    if (typeof key === 'number' && key >= 1 && key <= this.list.length) return this.list[key - 1];
    if (typeof key === 'string' || typeof key === 'number') return this.#hash.get(key);
    throw new TypeError(`Lua: index is ${typeof key}`);
  }

  set(key: LuaValue, value: LuaValue): void {
    if (typeof key === 'number' && key >= 1 && key <= this.list.length + 1 && Number.isInteger(key)) {
      this.list[key - 1] = value;
    } else if (typeof key === 'string' || typeof key === 'number') {
      this.#hash.set(key, value);
    } else throw new TypeError(`Lua: index is ${typeof key}`);
  }

  entries(): [string | number, LuaValue][] {
    return [...this.list.map((value, index): [number, LuaValue] => [index + 1, value]), ...this.#hash];
  }
}

function table(value: LuaValue): LuaTable {
  if (value instanceof LuaTable) return value;
  throw new TypeError(`Lua: ${String(value)} is no table`);
}

function number(value: LuaValue): number {
  const result = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  if (typeof result !== 'number' || Number.isNaN(result)) throw new TypeError(`Lua: ${String(value)} is no number`);
  return result;
}

function text(value: LuaValue): string {
  if (typeof value === 'string') return value;
  if (typeof value !== 'number') throw new TypeError(`Lua: ${String(value)} is no text`);
  // Lua prints 14 digits; a script that relied on more would be wrong in production, so it is here.
  if (!Number.isInteger(value) || Math.abs(value) >= 1e14) throw new RangeError(`Lua: ${value} would lose digits`);
  return String(value);
}

function compare(a: LuaValue, b: LuaValue): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  throw new TypeError(`Lua: ${typeof a} compared with ${typeof b}`);
}

function pattern(lua: string): RegExp {
  if (!/^\^?(?:\(?(?:%d|\[\^"\])[+*]\)?|[\w":]|\n)+$/.test(lua))
    throw new Error(`Lua: pattern ${lua} is not known here`);
  return new RegExp(lua.replaceAll('%d', '\\d'));
}

const format = (form: LuaValue, ...values: LuaValue[]) =>
  text(form).replaceAll(/%\.0f|%./g, (piece) => {
    if (piece !== '%.0f') throw new Error(`Lua: format ${piece} is not known here`);
    return number(values.shift()).toFixed(0);
  });

/** Used by the code that lua.ts makes. */
export const lua = {
  truthy: (value: LuaValue) => value !== undefined && value !== false,
  table: (...list: LuaValue[]) => new LuaTable(list),
  index: (of: LuaValue, key: LuaValue) => table(of).get(key),
  assign: (of: LuaValue, key: LuaValue, value: LuaValue) => table(of).set(key, value),
  number,
  concat: (a: LuaValue, b: LuaValue) => text(a) + text(b),
  length: (of: LuaValue) => (of instanceof LuaTable ? of.list.length : Buffer.byteLength(text(of))),
  less: (a: LuaValue, b: LuaValue) => compare(a, b) < 0,
  lessOrEqual: (a: LuaValue, b: LuaValue) => compare(a, b) <= 0,
  ipairs: (of: LuaValue) => table(of).list.map((value, index): [number, LuaValue] => [index + 1, value]),
  pairs: (of: LuaValue) => table(of).entries(),
  unpack: (of: LuaValue, from: LuaValue = 1, to: LuaValue = table(of).list.length) =>
    table(of).list.slice(number(from) - 1, number(to)),
  tonumber: (value: LuaValue) => {
    const result = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    return typeof result === 'number' && !Number.isNaN(result) ? result : undefined;
  },
  tostring: text,
  math_floor: (value: LuaValue) => Math.floor(number(value)),
  math_ceil: (value: LuaValue) => Math.ceil(number(value)),
  math_min: (...values: LuaValue[]) => Math.min(...values.map(number)),
  math_max: (...values: LuaValue[]) => Math.max(...values.map(number)),
  string_format: format,
  string_sub: (of: LuaValue, from: LuaValue, to: LuaValue = text(of).length) =>
    text(of).slice(number(from) - 1, number(to)),
  string_match: (of: LuaValue, form: LuaValue) => pattern(text(form)).exec(text(of))?.slice(-1)[0],
  string_find: (of: LuaValue, what: LuaValue, from: LuaValue, plain: LuaValue) => {
    if (from !== 1 || plain !== true) throw new Error('Lua: only plain find from the start is known here');
    const at = text(of).indexOf(text(what));
    return at < 0 ? undefined : at + 1;
  },
  table_concat: (of: LuaValue) => table(of).list.map(text).join(''),
};
