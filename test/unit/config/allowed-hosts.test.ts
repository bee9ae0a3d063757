import { describe, expect, it } from 'vitest';
import { hostProblem, isHostEntry, proxyProblem } from '../../../src/config/allowed-hosts.ts';

const allowed = (listed: readonly string[], url: string, origins: readonly string[] = []) =>
  hostProblem(url, { listed, origins, proxies: [] }) === null;

describe('hosts that connections added at run time may send their secrets to (H6)', () => {
  it.each([
    'https://api.telegram.org',
    'https://api.telegram.org/base',
    'https://bots.qq.com/app/getAppAccessToken',
    'https://api.sgroup.qq.com',
    'https://sandbox.api.sgroup.qq.com',
  ])('are those of the platforms: %s', (url) => {
    expect(allowed([], url)).toBe(true);
  });

  it.each([
    'http://api.telegram.org',
    'https://api.telegram.org:8443',
    'https://api.telegram.org.evil.example',
    'https://evil.example/api.telegram.org',
    'https://evil.example',
    'http://127.0.0.1:9000',
    'http://localhost:9000',
  ])('are no others: %s', (url) => {
    expect(hostProblem(url, { listed: [], origins: [], proxies: [] })).toMatch(/runtime\.allowedHosts/);
  });

  it('are those that the file names, at the same port and as well protected', () => {
    expect(allowed([], 'https://bots.example.org/x', ['https://bots.example.org'])).toBe(true);
    expect(allowed([], 'http://bots.example.org', ['https://bots.example.org'])).toBe(false);
    expect(allowed([], 'https://bots.example.org:444', ['https://bots.example.org'])).toBe(false);
  });

  it('are those that are listed; unencrypted only where that is written', () => {
    expect(allowed(['bots.example.org'], 'https://bots.example.org:8443')).toBe(true);
    expect(allowed(['bots.example.org:443'], 'https://bots.example.org')).toBe(true);
    expect(allowed(['bots.example.org:8443'], 'https://bots.example.org')).toBe(false);
    expect(allowed(['bots.example.org'], 'http://bots.example.org')).toBe(false);
    expect(allowed(['http://bots.example.org:8081'], 'http://bots.example.org:8081')).toBe(true);
    expect(allowed(['http://bots.example.org:8081'], 'http://bots.example.org:8082')).toBe(false);
    expect(allowed(['localhost:8081'], 'http://localhost:8081')).toBe(true);
    expect(allowed(['[::1]:8081'], 'http://[::1]:8081')).toBe(true);
  });

  it('are named in the way that would allow them', () => {
    for (const url of ['https://bots.example.org', 'http://bots.example.org:81', 'http://localhost:8081']) {
      const [, entry = ''] =
        /add "([^"]+)"/.exec(hostProblem(url, { listed: [], origins: [], proxies: [] }) ?? '') ?? [];
      expect(isHostEntry(entry)).toBe(true);
      expect(allowed([entry], url)).toBe(true);
    }
  });

  it('are written as hosts', () => {
    for (const entry of ['a', 'a.b:1', 'http://a:1', 'https://a', '[::1]', '[::1]:80'])
      expect(isHostEntry(entry)).toBe(true);
    for (const entry of ['', 'a/b', 'a b', 'ftp://a', 'u@a', 'http://u:p@a', 'a?b', '*', '*.a']) {
      expect(isHostEntry(entry)).toBe(false);
    }
  });
});

describe('proxies of connections added at run time (H6)', () => {
  const proxies = ['10.0.0.1:3128'];
  it('are those that the configuration names, or lists', () => {
    const none = { listed: [], origins: [], proxies };
    expect(proxyProblem('http://10.0.0.1:3128', none)).toBeNull();
    expect(proxyProblem('direct', none)).toBeNull();
    expect(proxyProblem('http://10.0.0.2:3128', none)).toMatch(/runtime\.allowedHosts/);
    expect(proxyProblem('socks5://10.0.0.2:1080', { ...none, listed: ['10.0.0.2'] })).toBeNull();
  });

  it('are not judged where secrets were not read, the proxies of the file among them', () => {
    expect(proxyProblem('http://10.0.0.2:3128', { listed: [], origins: [], proxies: null })).toBeNull();
  });
});
