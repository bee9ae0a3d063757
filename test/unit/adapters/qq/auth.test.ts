/** The token provider against a small HTTP server of our own; time is injected where hours pass. */
import { setMaxListeners } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { pino } from 'pino';
import { afterEach, describe, expect, it } from 'vitest';
import { createTokenProvider, readLife } from '../../../../src/adapters/qq/auth.ts';
import { FatalError, TransientError } from '../../../../src/errors.ts';
import { createHttpClient } from '../../../../src/http/client.ts';

const closers: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const close of closers.splice(0)) await close();
});

interface Asked {
  readonly body: unknown;
  readonly contentType: string | undefined;
}

/** Answers each request with the next of `answers`, and the last one for ever. */
async function tokenServer(...answers: ((response: ServerResponse) => void)[]) {
  const asked: Asked[] = [];
  const server = createServer((request, response) => {
    let text = '';
    request.on('data', (chunk) => {
      text += chunk;
    });
    request.on('end', () => {
      asked.push({ body: JSON.parse(text), contentType: request.headers['content-type'] });
      answers[Math.min(asked.length, answers.length) - 1]?.(response);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const http = createHttpClient();
  closers.push(() => http.destroy());
  closers.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const time = { now: 1_763_800_000_000, monotonic: 5_000 };
  const tokens = createTokenProvider({
    http,
    tokenUrl: `http://127.0.0.1:${(server.address() as AddressInfo).port}/app/getAppAccessToken`,
    appId: '102000001',
    clientSecret: 'SECRET-OF-THE-BOT',
    clock: { now: () => time.now, monotonic: () => time.monotonic },
    log: pino({ level: 'silent' }),
    random: () => 0.5,
  });
  const pass = (ms: number) => {
    time.now += ms;
    time.monotonic += ms;
  };
  return { tokens, asked, time, pass };
}

const json =
  (body: unknown, status = 200) =>
  (response: ServerResponse) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  };
const token = (access_token: string, expires_in?: unknown) => json({ access_token, expires_in });
const signal = new AbortController().signal;
setMaxListeners(0, signal);

/** Lets a renewal in the background come to its end. */
async function until(condition: () => boolean | Promise<boolean>) {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 2));
}

describe('asking for a token', () => {
  it('sends app id and secret as strings in JSON', async () => {
    const { tokens, asked } = await tokenServer(token('T1', '7200'));
    expect(await tokens.get({ signal })).toBe('T1');
    expect(asked).toEqual([
      { body: { appId: '102000001', clientSecret: 'SECRET-OF-THE-BOT' }, contentType: 'application/json' },
    ]);
  });

  it('is done once for any number of calls at the same time', async () => {
    const { tokens, asked } = await tokenServer(token('T1', '7200'));
    const all = await Promise.all(Array.from({ length: 20 }, () => tokens.get({ signal })));
    expect(new Set(all)).toEqual(new Set(['T1']));
    expect(await tokens.get({ signal })).toBe('T1');
    expect(asked).toHaveLength(1);
  });

  it('goes on for the others when one caller gives up', async () => {
    const { tokens } = await tokenServer((response) => setTimeout(() => token('T1', '7200')(response), 50));
    const caller = new AbortController();
    const given = tokens.get({ signal: caller.signal });
    const other = tokens.get({ signal });
    caller.abort(new Error('gave up'));
    await expect(given).rejects.toThrow('gave up');
    expect(await other).toBe('T1');
  });
});

describe('the end of a token', () => {
  it('is renewed within its last 60 s, while the old one still serves', async () => {
    const { tokens, asked, pass } = await tokenServer(token('T1', '7200'), token('T2', 7200));
    await tokens.get({ signal });
    pass((7200 - 60) * 1000);
    expect(await tokens.get({ signal })).toBe('T1');
    expect(asked).toHaveLength(1);
    pass(20_000);
    expect(await tokens.get({ signal })).toBe('T1');
    await until(() => asked.length === 2);
    await until(async () => (await tokens.get({ signal })) === 'T2');
    expect(asked).toHaveLength(2);
  });

  it('is waited for when there is next to nothing left', async () => {
    const { tokens, pass } = await tokenServer(token('T1', '7200'), token('T2', '7200'));
    await tokens.get({ signal });
    pass(7_199_000);
    expect(await tokens.get({ signal })).toBe('T2');
  });

  it('is noticed after the machine slept, when only the wall clock went on', async () => {
    const { tokens, time } = await tokenServer(token('T1', '7200'), token('T2', '7200'));
    await tokens.get({ signal });
    time.now += 8_000_000;
    expect(await tokens.get({ signal })).toBe('T2');
  });

  it('at the 60 s border, where the same token comes back, is asked for again every few seconds', async () => {
    const { tokens, asked, pass } = await tokenServer(token('T1', '60'), token('T1', '42'), token('T2', '7200'));
    await tokens.get({ signal });
    pass(18_000);
    expect(await tokens.get({ signal })).toBe('T1');
    await until(() => asked.length === 2);
    await until(async () => {
      pass(1_000);
      return (await tokens.get({ signal })) === 'T2';
    });
    expect(asked).toHaveLength(3);
  });

  it('survives any number of failed renewals', async () => {
    const broken = json({ code: 100002, message: 'internal err' });
    const { tokens, asked, pass } = await tokenServer(token('T1', '7200'), broken, broken, broken, token('T2', '7200'));
    await tokens.get({ signal });
    pass((7200 - 40) * 1000);
    await until(async () => {
      pass(1_000);
      return (await tokens.get({ signal })) === 'T2';
    });
    expect(asked).toHaveLength(5);
  });

  it.each([undefined, null, '0', 0, -5, 'soon', '', Number.NaN, {}])(
    'named as %j by the platform cannot stop the refreshing',
    async (odd) => {
      const { tokens, asked, pass } = await tokenServer(token('T1', odd), token('T2', '7200'));
      expect(await tokens.get({ signal })).toBe('T1');
      expect(await tokens.get({ signal })).toBe('T1');
      expect(asked).toHaveLength(1);
      pass(31_000);
      expect(await tokens.get({ signal })).toBe('T2');
    },
  );
});

describe('the life of a token', () => {
  it.each([
    ['7200', 7_200_000],
    [7200, 7_200_000],
    [' 60 ', 60_000],
    ['0.5', 500],
    ['99999999', 7_200_000],
    ['1e9', null],
    ['0', null],
    [-1, null],
    [Number.NaN, null],
    [Number.POSITIVE_INFINITY, null],
    [undefined, null],
  ])('%j is %s ms', (expiresIn, ms) => {
    expect(readLife(expiresIn)).toBe(ms);
  });
});

describe('a refused token', () => {
  it('is fetched anew once, also when several calls report it', async () => {
    const { tokens, asked } = await tokenServer(token('T1', '7200'), token('T2', '7200'));
    const first = await tokens.get({ signal });
    tokens.invalidate(first);
    expect(await tokens.get({ signal })).toBe('T2');
    tokens.invalidate(first);
    expect(await tokens.get({ signal })).toBe('T2');
    expect(asked).toHaveLength(2);
  });
});

describe('a refusal', () => {
  it.each([100007, 100016, 10004])('%i needs a person', async (code) => {
    const { tokens } = await tokenServer(json({ code, message: 'words' }));
    const error = await tokens.get({ signal }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(FatalError);
    expect((error as FatalError).code).toBe('CREDENTIAL_REFUSED');
    expect((error as FatalError).message).toContain(String(code));
    expect((error as FatalError).message).not.toContain('SECRET');
  });

  it.each<[string, (response: ServerResponse) => void, number | undefined]>([
    ['too many requests (100001)', json({ code: 100001 }), 60_000],
    ['an internal error (100002)', json({ code: 100002 }), undefined],
    ['an unknown code', json({ code: 4711 }), undefined],
    ['a 502 in HTML', (response) => void response.writeHead(502).end('<html>'), undefined],
    ['a 429', (response) => void response.writeHead(429, { 'retry-after': '7' }).end(), 7_000],
    ['an empty 200', (response) => void response.writeHead(200).end(), undefined],
    ['an empty token', token('', '7200'), undefined],
    ['a token that is a number', json({ access_token: 12, expires_in: 7200 }), undefined],
    ['a list', json([1]), undefined],
    ['null', json(null), undefined],
    ['a reset', (response) => void response.destroy(), undefined],
  ])('as %s may pass, and the next call asks again', async (_what, answer, retryAfterMs) => {
    const { tokens } = await tokenServer(answer, token('T1', '7200'));
    const error = await tokens.get({ signal }).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransientError);
    expect((error as TransientError).retryAfterMs).toBe(retryAfterMs);
    expect(await tokens.get({ signal })).toBe('T1');
  });
});
