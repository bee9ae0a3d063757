/** The key `proxy` and the environment's variables: secrets, read by the process alone, and checked before it starts. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { redact } from '../../../src/text/redact.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

const TELEGRAM = `
connections:
  - id: tg-main
    platform: telegram
    token: "700000001:abc_DEF-1"
`;
const URL_WITH_PASSWORD = 'http://holder:p%40ss-of-proxy@10.0.0.1:3128';
const platforms = [
  { platform: 'qq', text: QQ, key: 'connections[0] (qq-main).proxy' },
  { platform: 'telegram', text: TELEGRAM, key: 'connections[0] (tg-main).proxy' },
];

describe.each(platforms)('the key proxy of $platform', ({ text, key }) => {
  const withProxy = (value: string) => `${text}    proxy: ${JSON.stringify(value)}\n`;

  it('is a secret: no part of what goes to Redis', () => {
    const [connection] = load(withProxy(URL_WITH_PASSWORD)).connections;
    expect(connection?.secrets.proxy).toBe(URL_WITH_PASSWORD);
    expect(JSON.stringify(connection?.options)).not.toMatch(/proxy|holder|10\.0\.0\.1/);
    expect(load(text).connections[0]?.secrets).not.toHaveProperty('proxy');
  });

  it('changes the fingerprint, so that the connection is held anew', () => {
    const proxies = ['direct', URL_WITH_PASSWORD, URL_WITH_PASSWORD.replace('ss-of', 'zz-of')];
    const texts = [text, ...proxies.map(withProxy)];
    const prints = texts.map((each) => load(each).connections[0]?.fingerprint);
    expect(new Set(prints).size).toBe(texts.length);
  });

  it('may come from the environment or a file', () => {
    expect(load(withProxy('http://${P}@10.0.0.1:1'), { P: 'u:v' }).connections[0]?.secrets.proxy).toBe(
      'http://u:v@10.0.0.1:1',
    );
    const cwd = folderWith({ 'holdfast.yaml': `${text}    proxyFile: p.txt\n`, 'p.txt': `${URL_WITH_PASSWORD}\n` });
    expect(loadConfig({ cwd, env: {} }).connections[0]?.secrets.proxy).toBe(URL_WITH_PASSWORD);
  });

  it.each(['http://', 'ftp://holder:hush@h', 'http://holder:hush@h:1/hush', 'socks5://hush@h', '', 'http://ho/hush@h'])(
    'that reads %j is a problem of the configuration, told without its value',
    (value) => {
      const problems = problemsOf(() => load(withProxy(value)));
      expect(problems).toEqual([expect.stringMatching(/^connections\[0\] \((qq|tg)-main\)\.proxy: .*; /)]);
      expect(problems[0]).toContain(key);
      expect(problems[0]).not.toContain('hush');
    },
  );

  it('is not looked at by commands that need no secrets', () => {
    const [connection] = load(withProxy('http://${NOBODY_SET_IT}@h:1'), {}, { secrets: 'unneeded' }).connections;
    expect(connection?.secrets).toEqual({});
  });
});

describe('the environment', () => {
  it('is handed on for connections without a proxy of their own, both cases of each name', () => {
    const env = { HTTPS_PROXY: 'http://p:1', no_proxy: 'a.example', WSS_PROXY: '', PATH: '/bin' };
    expect(load(QQ, env).proxyEnvironment).toEqual({ HTTPS_PROXY: 'http://p:1', no_proxy: 'a.example' });
    expect(load(QQ, env, { secrets: 'unneeded' }).proxyEnvironment).toEqual({});
  });

  it('with an unreadable proxy is a problem that names the variable', () => {
    const env = { HTTPS_PROXY: 'gopher://holder:hush@h', all_proxy: 'http://holder:hu%sh@h' };
    const problems = problemsOf(() => load(QQ, env));
    expect(problems).toEqual([
      expect.stringMatching(/^HTTPS_PROXY: has a scheme that is not supported; write .*, or unset it$/),
      expect.stringMatching(/^all_proxy: has a "%" .*; .*, or unset it$/),
    ]);
    expect(problems.join()).not.toContain('hush');
  });

  it('is nobody’s problem where each connection has a proxy of its own', () => {
    const env = { HTTPS_PROXY: 'gopher://h' };
    expect(load(`${QQ}    proxy: direct\n`, env).connections).toHaveLength(1);
  });
});

it('passwords of proxies are known to the logger in every spelling, once they were loaded', () => {
  load(`${QQ}    proxy: "http://own-user:0wn-p%40ss@h:1"\n`);
  load(QQ, { HTTPS_PROXY: 'http://token-without-password@h:1' });
  const basic = Buffer.from('own-user:0wn-p@ss').toString('base64');
  expect(redact(`0wn-p@ss 0wn-p%40ss ${basic} token-without-password`)).toBe(
    '[redacted] [redacted] [redacted] [redacted]',
  );
});
