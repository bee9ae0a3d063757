/**
 * Runs the production scripts themselves, under virtual time: compiles the part of Lua 5.1 that they use to JavaScript.
 * Anything else is refused when it is compiled or run, so a script is either run as written or not at all; that "as
 * written" is true, the replay on a real Redis checks (differential.ts).
 */
import { LuaTable, type LuaValue, lua } from './lua-runtime.ts';

export type LuaReply = string | number | null | LuaReply[];
/** `redis.call`; replies as the Redis protocol has them. */
export type RedisCall = (command: string, args: readonly string[]) => LuaReply;
export type LuaScript = (keys: readonly string[], args: readonly string[], call: RedisCall) => LuaReply;

const TOKEN =
  /\s+|--[^\n]*|(?<name>[A-Za-z_]\w*)|(?<number>\d+(?:\.\d+)?)|(?<text>'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*")|(?<sign>\.\.|==|~=|<=|>=|[-+*/%#<>=(){}[\],.:;])/y;
const WORDS = new Set(
  'and break do else elseif end false for function if in local nil not or repeat return then true until while'.split(
    ' ',
  ),
);
const BINARY: readonly (readonly string[])[] = [
  ['or'],
  ['and'],
  ['<', '>', '<=', '>=', '~=', '=='],
  ['..'],
  ['+', '-'],
  ['*', '/', '%'],
];

type Token = { readonly kind: 'name' | 'number' | 'text' | 'sign' | 'end'; readonly value: string };

export function compileLua(source: string): LuaScript {
  const body = new Compiler(tokens(source.replace(/^#![^\n]*/, ''))).script();
  // The text comes from our own repository.
  const run = new Function('lua', '$KEYS', '$ARGV', 'call', `'use strict'; let _; ${body}`) as (
    library: typeof lua,
    keys: LuaTable,
    args: LuaTable,
    call: (...args: LuaValue[]) => LuaValue,
  ) => LuaValue;
  return (keys, args, call) => {
    const result = run(lua, new LuaTable([...keys]), new LuaTable([...args]), (command, ...rest) =>
      toLua(
        call(
          String(command),
          rest.map((value) => {
            if (typeof value !== 'string' && typeof value !== 'number') throw new TypeError(`${command}: bad argument`);
            return String(value);
          }),
        ),
      ),
    );
    return toReply(result);
  };
}

function toLua(reply: LuaReply): LuaValue {
  if (reply === null) return false;
  return Array.isArray(reply) ? new LuaTable(reply.map(toLua)) : reply;
}

function toReply(value: LuaValue): LuaReply {
  if (value === undefined || value === false) return null;
  if (value === true) return 1;
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value === 'string') return value;
  const end = value.list.indexOf(undefined);
  return (end < 0 ? value.list : value.list.slice(0, end)).map(toReply);
}

function tokens(source: string): Token[] {
  const found: Token[] = [];
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < source.length) {
    const at = TOKEN.lastIndex;
    const groups = TOKEN.exec(source)?.groups;
    if (groups === undefined) throw new SyntaxError(`Lua: ${source.slice(at, at + 40)}`);
    const { name, number, text, sign } = groups;
    if (name !== undefined) found.push({ kind: WORDS.has(name) ? 'sign' : 'name', value: name });
    else if (number !== undefined) found.push({ kind: 'number', value: number });
    else if (text !== undefined) found.push({ kind: 'text', value: text });
    else if (sign !== undefined) found.push({ kind: 'sign', value: sign });
  }
  return found;
}

class Compiler {
  readonly #tokens: readonly Token[];
  #at = 0;

  constructor(all: readonly Token[]) {
    this.#tokens = all;
  }

  script(): string {
    const body = this.#block();
    if (this.#token.kind !== 'end') throw this.#unexpected();
    return body;
  }

  get #token(): Token {
    return this.#tokens[this.#at] ?? { kind: 'end', value: '<end>' };
  }

  #unexpected(): SyntaxError {
    const near = this.#tokens.slice(Math.max(0, this.#at - 5), this.#at + 3);
    return new SyntaxError(`Lua: unexpected ${this.#token.value} near "${near.map(({ value }) => value).join(' ')}"`);
  }

  #is(sign: string): boolean {
    return this.#token.kind === 'sign' && this.#token.value === sign;
  }

  #take(sign: string): boolean {
    if (!this.#is(sign)) return false;
    this.#at += 1;
    return true;
  }

  #expect(sign: string): void {
    if (!this.#take(sign)) throw this.#unexpected();
  }

  #name(): string {
    const { kind, value } = this.#token;
    if (kind !== 'name') throw this.#unexpected();
    this.#at += 1;
    return value;
  }

  #list<T>(one: () => T): T[] {
    const all = [one()];
    while (this.#take(',')) all.push(one());
    return all;
  }

  #block(): string {
    const statements: string[] = [];
    while (!['end', 'else', 'elseif', 'until'].some((sign) => this.#is(sign)) && this.#token.kind !== 'end') {
      statements.push(this.#statement());
      this.#take(';');
    }
    return statements.join('\n');
  }

  #statement(): string {
    if (this.#take('local')) return this.#local();
    if (this.#take('if')) return this.#if();
    if (this.#take('for')) return this.#for();
    if (this.#take('while')) {
      const condition = this.#condition();
      this.#expect('do');
      return `while (${condition}) {${this.#blockToEnd()}}`;
    }
    if (this.#take('break')) return 'break;';
    if (this.#take('return')) {
      const nothing = this.#is('end') || this.#is('else') || this.#is('elseif') || this.#token.kind === 'end';
      return nothing ? 'return;' : `return ${this.#expression()};`;
    }
    return this.#assignmentOrCall();
  }

  #blockToEnd(): string {
    const body = this.#block();
    this.#expect('end');
    return body;
  }

  #local(): string {
    if (this.#take('function')) {
      const name = this.#name();
      this.#expect('(');
      const parameters = this.#is(')') ? [] : this.#list(() => `$${this.#name()}`);
      this.#expect(')');
      return `const $${name} = (${parameters.join(', ')}) => {${this.#blockToEnd()}};`;
    }
    const names = this.#list(() => this.#name());
    const values = this.#take('=') ? this.#list(() => this.#expression()) : [];
    if (values.length > names.length) throw this.#unexpected();
    return `let ${names.map((name, index) => `$${name} = ${values[index] ?? 'undefined'}`).join(', ')};`;
  }

  #if(): string {
    const condition = this.#condition();
    this.#expect('then');
    const body = `if (${condition}) {${this.#block()}}`;
    if (this.#take('elseif')) return `${body} else ${this.#if()}`;
    if (this.#take('else')) return `${body} else {${this.#blockToEnd()}}`;
    this.#expect('end');
    return body;
  }

  #for(): string {
    const names = this.#list(() => this.#name());
    if (this.#take('in')) {
      const pairs = this.#expression();
      this.#expect('do');
      return `for (let [${names.map((name) => `$${name}`).join(', ')}] of ${pairs}) {${this.#blockToEnd()}}`;
    }
    this.#expect('=');
    const [from, to, by = '1'] = this.#list(() => this.#expression());
    this.#expect('do');
    const name = `$${names[0]}`;
    const [end, step] = [`${name}End`, `${name}By`];
    const going = `${step} > 0 ? ${name} <= ${end} : ${name} >= ${end}`;
    const bounds = `${name} = lua.number(${from}), ${end} = lua.number(${to}), ${step} = lua.number(${by})`;
    return `for (let ${bounds}; ${going}; ${name} += ${step}) {${this.#blockToEnd()}}`;
  }

  #condition(): string {
    return `lua.truthy(${this.#expression()})`;
  }

  #assignmentOrCall(): string {
    const targets = this.#list(() => this.#suffixed());
    if (!this.#take('=')) {
      if (targets.length > 1 || targets[0]?.endsWith(')') !== true) throw this.#unexpected();
      return `${targets[0]};`;
    }
    const values = this.#list(() => this.#expression());
    if (values.length !== targets.length) throw this.#unexpected();
    const store = (target: string, value: string) =>
      target.startsWith('lua.index(') ? `lua.assign(${target.slice(10, -1)}, ${value});` : `${target} = ${value};`;
    if (targets.length === 1) return store(targets[0] ?? '', values[0] ?? '');
    const holds = targets.map((_, index) => `h${index}`);
    const moves = targets.map((target, index) => store(target, `h${index}`));
    return `{const [${holds.join(', ')}] = [${values.join(', ')}]; ${moves.join(' ')}}`;
  }

  #expression(level = 0): string {
    const signs = BINARY[level];
    if (signs === undefined) return this.#unary();
    let left = this.#expression(level + 1);
    for (;;) {
      const sign = signs.find((one) => this.#is(one));
      if (sign === undefined) return left;
      this.#at += 1;
      // Concatenation binds to the right, the others to the left.
      left = binary(sign, left, this.#expression(sign === '..' ? level : level + 1));
    }
  }

  #unary(): string {
    if (this.#take('not')) return `!lua.truthy(${this.#unary()})`;
    if (this.#take('-')) return `(-lua.number(${this.#unary()}))`;
    if (this.#take('#')) return `lua.length(${this.#unary()})`;
    return this.#primary();
  }

  #primary(): string {
    const { kind, value } = this.#token;
    if (kind === 'number') {
      this.#at += 1;
      return value;
    }
    if (kind === 'text') {
      this.#at += 1;
      return value;
    }
    if (this.#take('nil')) return 'undefined';
    if (this.#take('true')) return 'true';
    if (this.#take('false')) return 'false';
    if (this.#take('{')) {
      const items = this.#is('}') ? [] : this.#list(() => this.#expression());
      this.#expect('}');
      return `lua.table(${items.join(', ')})`;
    }
    return this.#suffixed();
  }

  #suffixed(): string {
    let of = this.#take('(') ? this.#parenthesis() : this.#variable();
    for (;;) {
      if (this.#take('[')) {
        of = `lua.index(${of}, ${this.#expression()})`;
        this.#expect(']');
      } else if (this.#take('.')) {
        of = `lua.index(${of}, '${this.#name()}')`;
      } else if (this.#take('(')) {
        const args = this.#is(')') ? [] : this.#list(() => this.#expression());
        this.#expect(')');
        // The only function with several results; JavaScript refuses the spread where it would not fit.
        of = `${of === 'lua.unpack' ? '...' : ''}${of}(${args.join(', ')})`;
      } else return of;
    }
  }

  #parenthesis(): string {
    const inner = this.#expression();
    this.#expect(')');
    return `(${inner})`;
  }

  #variable(): string {
    const name = this.#name();
    if (['math', 'string', 'table', 'redis'].includes(name) && this.#take('.')) {
      const member = this.#name();
      if (name === 'redis' && member === 'call') return 'call';
      if (!(`${name}_${member}` in lua)) throw new SyntaxError(`Lua: ${name}.${member} is not known here`);
      return `lua.${name}_${member}`;
    }
    if (['tonumber', 'tostring', 'ipairs', 'pairs', 'unpack'].includes(name)) return `lua.${name}`;
    return `$${name}`;
  }
}

function binary(sign: string, left: string, right: string): string {
  switch (sign) {
    case 'or':
      return `(lua.truthy(_ = ${left}) ? _ : ${right})`;
    case 'and':
      return `(lua.truthy(_ = ${left}) ? ${right} : _)`;
    case '==':
      return `(${left} === ${right})`;
    case '~=':
      return `(${left} !== ${right})`;
    case '<':
      return `lua.less(${left}, ${right})`;
    case '>':
      return `lua.less(${right}, ${left})`;
    case '<=':
      return `lua.lessOrEqual(${left}, ${right})`;
    case '>=':
      return `lua.lessOrEqual(${right}, ${left})`;
    case '..':
      return `lua.concat(${left}, ${right})`;
    case '%':
      return `((_ => _[0] - Math.floor(_[0] / _[1]) * _[1])([lua.number(${left}), lua.number(${right})]))`;
    default:
      return `(lua.number(${left}) ${sign} lua.number(${right}))`;
  }
}
