import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../src/log.ts';
import { registerSecret } from '../../src/text/known-secrets.ts';
import { redact } from '../../src/text/redact.ts';

function capture(options: { pretty?: boolean } = {}) {
  const lines: string[] = [];
  const log = createLogger({
    name: 'test',
    level: 'debug',
    destination: { write: (line) => lines.push(line) },
    ...options,
  });
  return { log, text: () => lines.join(''), last: () => JSON.parse(lines.at(-1) ?? '') as Record<string, unknown> };
}

const cleanups: (() => void)[] = [];
const secret = (value: string) => cleanups.push(registerSecret(value));
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

describe('a log line', () => {
  it('is one JSON object with level, ISO time, name, event and message', () => {
    const { log, last } = capture();
    log.info({ event: 'ready', roles: ['web'] }, 'up');
    expect(last()).toMatchObject({
      level: 'info',
      name: 'test',
      pid: process.pid,
      event: 'ready',
      roles: ['web'],
      msg: 'up',
    });
    expect(new Date(String(last().time)).toISOString()).toBe(last().time);
  });

  it('carries an error with its stack, code and causes, and not its other properties', () => {
    const { log, last } = capture();
    const root = Object.assign(new Error('connect refused'), { code: 'ECONNREFUSED', request: { body: 'private' } });
    log.error({ err: new TypeError('could not dial', { cause: root }) });
    expect(last().err).toMatchObject({
      type: 'TypeError',
      message: 'could not dial',
      stack: expect.stringContaining('log.test.ts'),
      cause: { type: 'Error', message: 'connect refused', code: 'ECONNREFUSED', stack: expect.any(String) },
    });
    expect(JSON.stringify(last())).not.toContain('private');
  });

  it('survives errors that are their own cause, aggregates and thrown strings', () => {
    const { log, last, text } = capture();
    const circle = new Error('circle');
    circle.cause = circle;
    log.error({ err: circle });
    log.error({ err: new AggregateError([new Error('v4'), new Error('v6')], 'both') });
    expect(last().err).toMatchObject({ errors: [{ message: 'v4' }, { message: 'v6' }] });
    log.error({ err: 'thrown text' });
    expect(last().err).toBe('thrown text');
    expect(text()).toContain('circle');
  });

  it('is readable text when pretty', () => {
    const { log, text } = capture({ pretty: true });
    log.warn({ event: 'redis.lost', apiKey: 'sk-very-private' }, 'Redis is away');
    expect(text()).toMatch(/WARN.*Redis is away/);
    expect(text()).not.toContain('sk-very-private');
  });

  it('arrives although the process exits at once', () => {
    const log = fileURLToPath(new URL('../../src/log.ts', import.meta.url));
    const program = `import { createLogger } from ${JSON.stringify(log)};
      createLogger({ name: 'x', pretty: false }).fatal('last words'); process.exit(3);`;
    const run = spawnSync(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', program], {
      encoding: 'utf8',
    });
    expect(run.status).toBe(3);
    expect(JSON.parse(run.stdout)).toMatchObject({ level: 'fatal', msg: 'last words' });
  });
});

describe('secrets by key', () => {
  it.each([
    'clientSecret',
    'client_secret',
    'token',
    'access_token',
    'accessToken',
    'botToken',
    'adminToken',
    'Authorization',
    'proxy-authorization',
    'apiKey',
    'api_key',
    'X-Api-Key',
    'password',
    'secret',
    'appSecret',
    'cookie',
  ])('%s is redacted at any depth, in bindings and in quoted JSON', (key) => {
    const { log, text } = capture();
    const holder = { a: [{ [key]: 'hush"\\hush' }] };
    log
      .child({ bound: holder })
      .info(
        { deep: { er: holder }, [key]: 'hush' },
        `body ${JSON.stringify(holder)} ${JSON.stringify({ x: { [key]: 'hush-2' }, y: 'kept' })}`,
      );
    expect(text()).not.toContain('hush');
    expect(text()).toContain('kept');
    expect(() => JSON.parse(text())).not.toThrow();
  });

  it('numbers are redacted too, and names that merely contain a secret word are kept', () => {
    const { log, last } = capture();
    log.info({ token: 12345, fencingToken: 1795341600000, tokenUrl: 'https://bots.qq.com/app/getAppAccessToken' });
    expect(last()).toMatchObject({
      token: '[redacted]',
      fencingToken: 1795341600000,
      tokenUrl: 'https://bots.qq.com/app/getAppAccessToken',
    });
  });
});

describe('secrets by form', () => {
  it.each([
    ['authorization: QQBot abc.DEF-123_456', 'authorization: QQBot [redacted]'],
    ['Bearer sk-0123456789', 'Bearer [redacted]'],
    ['Bot 102000000.AbCdEfGh', 'Bot 102000000.[redacted]'],
    ['via http://user:p%40ss@10.0.0.1:3128/x', 'via http://[redacted]@10.0.0.1:3128/x'],
    ['redis://:hunter22@127.0.0.1:6379/0', 'redis://[redacted]@127.0.0.1:6379/0'],
    ['GET /x?a=1&access_token=abcdef&b=2', 'GET /x?a=1&access_token=[redacted]&b=2'],
  ])('%s', (text, expected) => {
    expect(redact(text)).toBe(expected);
  });

  it('go as a whole, also where a part of them is registered as another secret', () => {
    secret('abcdefgh');
    expect(redact('Bearer abcdefghijkl, QQBot 01-abcdefgh-xyz, Bot 7.abcdefghij')).toBe(
      'Bearer [redacted], QQBot [redacted], Bot 7.[redacted]',
    );
  });

  it.each(['see https://bot.q.qq.com/wiki/', 'a Bearer of news', 'nick@example.org: hi', 'http://127.0.0.1:8420/@me'])(
    '%s stays',
    (text) => {
      expect(redact(text)).toBe(text);
    },
  );
});

describe('secrets by value', () => {
  it('disappear from messages, stacks, causes, URLs and bindings', () => {
    secret('s3cr3t-value');
    const { log, text } = capture();
    const error = new Error('refused s3cr3t-value', { cause: new Error('at https://x/s3cr3t-value/y') });
    log.child({ innocent: 's3cr3t-value' }).error({ err: error, list: [{ a: 's3cr3t-value' }] }, 'said s3cr3t-value');
    expect(text()).not.toContain('s3cr3t-value');
    expect(text()).toContain('[redacted]');
  });

  it('disappear in their JSON and URL spellings', () => {
    secret('pa"ss\\wörd/+x');
    const { log, text } = capture();
    log.info({ a: 'pa"ss\\wörd/+x' }, `?p=${encodeURIComponent('pa"ss\\wörd/+x')}`);
    expect(text()).not.toContain('wörd');
    expect(text()).not.toContain('w%C3%B6rd');
  });

  it('go as a whole when one contains another', () => {
    secret('abcdef');
    secret('abcdef-ghijkl');
    expect(redact('x abcdef-ghijkl y')).toBe('x [redacted] y');
  });

  it('are forgotten when the last one who registered them says so', () => {
    const first = registerSecret('rotating-token');
    const second = registerSecret('rotating-token');
    first();
    first();
    expect(redact('rotating-token')).toBe('[redacted]');
    second();
    expect(redact('rotating-token')).toBe('rotating-token');
  });

  it('shorter than six characters are left alone, since they would be found in innocent words', () => {
    secret('live');
    expect(redact('state live')).toBe('state live');
  });
});

describe('many secrets', () => {
  it('are found each, also when they begin alike, contain one another, or were registered twice', () => {
    const values = Array.from({ length: 2_000 }, (_, n) => `secret-of-${n}`);
    for (const value of values) secret(value);
    const forget = registerSecret('secret-of-7');
    forget();
    forget();
    const text = redact(`a secret-of-7, secret-of-1999secret-of-19 ${encodeURIComponent('secret-of-70')}; secret-of-`);
    expect(text).toBe('a [redacted], [redacted][redacted] [redacted]; secret-of-');
  });

  it('are no longer looked for once they are forgotten', () => {
    const forget = registerSecret('short-lived-token');
    expect(redact('short-lived-token')).toBe('[redacted]');
    forget();
    expect(redact('short-lived-token')).toBe('short-lived-token');
  });
});
