import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readProxy } from '../../../../src/http/proxy/proxy-url.ts';
import { createRouter, describeRoute, environmentProblems } from '../../../../src/http/proxy/route.ts';

const routeOf = (url: string, environment: Record<string, string>, proxy?: string) =>
  describeRoute(createRouter({ proxy, environment })(new URL(url)));

describe('the environment', () => {
  const P = 'http://p:1';
  const Q = 'http://q:2';
  it.each<[url: string, environment: Record<string, string>, route: string]>([
    ['https://a.example/', {}, 'direct'],
    ['https://a.example/', { HTTPS_PROXY: P }, 'http proxy p:1'],
    ['https://a.example/', { https_proxy: P }, 'http proxy p:1'],
    ['https://a.example/', { HTTP_PROXY: P }, 'direct'],
    ['http://a.example/', { HTTP_PROXY: P }, 'http proxy p:1'],
    ['http://a.example/', { HTTPS_PROXY: P }, 'direct'],
    // lower case first, empty as if not set
    ['https://a.example/', { https_proxy: P, HTTPS_PROXY: Q }, 'http proxy p:1'],
    ['https://a.example/', { https_proxy: '', HTTPS_PROXY: Q }, 'http proxy q:2'],
    ['https://a.example/', { https_proxy: ' ', HTTPS_PROXY: '' }, 'direct'],
    ['http://a.example/', { http_proxy: P, HTTP_PROXY: Q }, 'http proxy p:1'],
    ['https://a.example/', { HTTPS_PROXY: P, no_proxy: 'b.example', NO_PROXY: '*' }, 'http proxy p:1'],
    ['https://a.example/', { HTTPS_PROXY: P, no_proxy: '*', NO_PROXY: 'b.example' }, 'direct'],
    // a more telling name in upper case goes before a general one in lower case
    ['https://a.example/', { all_proxy: Q, HTTPS_PROXY: P }, 'http proxy p:1'],
    // WebSockets
    ['wss://a.example/', { WSS_PROXY: P, HTTPS_PROXY: Q }, 'http proxy p:1'],
    ['wss://a.example/', { HTTPS_PROXY: Q }, 'http proxy q:2'],
    ['wss://a.example/', { wss_proxy: P, WSS_PROXY: Q }, 'http proxy p:1'],
    ['https://a.example/', { WSS_PROXY: P }, 'direct'],
    ['ws://a.example/', { WS_PROXY: P, HTTP_PROXY: Q }, 'http proxy p:1'],
    ['ws://a.example/', { HTTP_PROXY: Q }, 'http proxy q:2'],
    ['ws://a.example/', { HTTPS_PROXY: Q, WSS_PROXY: Q }, 'direct'],
    ['http://a.example/', { WS_PROXY: P }, 'direct'],
    // for all
    ['https://a.example/', { ALL_PROXY: P }, 'http proxy p:1'],
    ['http://a.example/', { all_proxy: P }, 'http proxy p:1'],
    ['wss://a.example/', { all_proxy: P }, 'http proxy p:1'],
    ['ws://a.example/', { ALL_PROXY: P }, 'http proxy p:1'],
    ['wss://a.example/', { ALL_PROXY: P, NO_PROXY: 'a.example' }, 'direct'],
    ['ftp://a.example/', { ALL_PROXY: P }, 'direct'],
    // loopback is nothing special
    ['http://127.0.0.1:8000/', { HTTP_PROXY: P }, 'http proxy p:1'],
    ['http://localhost:8000/', { HTTP_PROXY: P }, 'http proxy p:1'],
    ['ws://[::1]:8000/', { HTTP_PROXY: P }, 'http proxy p:1'],
    ['http://localhost:8000/', { HTTP_PROXY: P, NO_PROXY: 'localhost' }, 'direct'],
  ])('%s with %j is %s', (url, environment, route) => {
    expect(routeOf(url, environment)).toBe(route);
  });
});

describe('NO_PROXY', () => {
  it.each<[list: string, url: string, direct: boolean]>([
    ['*', 'https://a.example/', true],
    ['b.example, *', 'https://a.example/', true],
    ['a.example', 'https://a.example/', true],
    ['A.Example', 'https://a.EXAMPLE/', true],
    ['a.example', 'https://a.example./', true],
    ['a.example', 'https://b.a.example/', true],
    ['a.example', 'https://ba.example/', false],
    ['.a.example', 'https://b.a.example/', true],
    ['.a.example', 'https://a.example/', false],
    ['*.a.example', 'https://b.a.example/', true],
    ['*.a.example', 'https://a.example/', false],
    ['b.example a.example', 'https://a.example/', true],
    ['b.example,,a.example,', 'https://a.example/', true],
    ['a.example:443', 'https://a.example/', true],
    ['a.example:443', 'wss://a.example/', true],
    ['a.example:443', 'https://a.example:8443/', false],
    ['a.example:80', 'http://a.example/', true],
    ['a.example:80', 'ws://a.example/', true],
    ['.example:8443', 'https://a.example:8443/', true],
    ['10.1.2.3', 'http://10.1.2.3/', true],
    ['10.1.2.3', 'http://10.1.2.30/', false],
    ['10.1.2.3:80', 'http://10.1.2.3:81/', false],
    ['10.0.0.0/8', 'http://10.200.1.1/', true],
    ['10.0.0.0/8', 'http://11.0.0.1/', false],
    ['10.0.0.0/8', 'http://ten.example/', false],
    ['10.0.0.0/8:81', 'http://10.0.0.1:81/', true],
    ['10.0.0.0/99', 'http://10.0.0.1/', false],
    ['10.0.0.0/', 'http://10.0.0.0/', false],
    ['127.0.0.0/8', 'http://127.1/', true],
    ['fd00::/8', 'http://[fd12::1]/', true],
    ['fd00::/8', 'http://[fe80::1]/', false],
    ['fd00::/129', 'http://[fd00::1]/', false],
    ['::1', 'http://[::1]:81/', true],
    ['0:0:0:0:0:0:0:1', 'http://[::1]/', true],
    ['[::1]', 'http://[::1]/', true],
    ['[::1]:81', 'http://[::1]:81/', true],
    ['[::1]:81', 'http://[::1]:82/', false],
    ['', 'http://a.example/', false],
    ['http://a.example', 'http://a.example/', false],
  ])('%j and %s: direct is %s', (list, url, direct) => {
    const route = routeOf(url, { ALL_PROXY: 'http://p:1', NO_PROXY: list });
    expect(route).toBe(direct ? 'direct' : 'http proxy p:1');
  });
});

describe("a connection's own proxy", () => {
  it.each([
    ['direct', 'direct'],
    [' Direct ', 'direct'],
    ['http://10.0.0.1:3128', 'http proxy 10.0.0.1:3128'],
    ['http://10.0.0.1', 'http proxy 10.0.0.1:80'],
    ['10.0.0.1:3128', 'http proxy 10.0.0.1:3128'],
    ['proxy.example:3128', 'http proxy proxy.example:3128'],
    ['HTTPS://Proxy.Example', 'https proxy proxy.example:443'],
    ['https://proxy.example:8443/', 'https proxy proxy.example:8443'],
    ['socks5://proxy.example', 'socks5 proxy proxy.example:1080'],
    ['socks5h://u:p@proxy.example:99', 'socks5 proxy proxy.example:99'],
    ['socks://proxy.example:99', 'socks5 proxy proxy.example:99'],
    ['http://[::1]:3128', 'http proxy [::1]:3128'],
    ['socks5://[fd00::1]', 'socks5 proxy [fd00::1]:1080'],
  ])('%s decides alone: %s', (proxy, route) => {
    const environment = { ALL_PROXY: 'http://p:1', NO_PROXY: '*' };
    for (const url of ['https://a.example', 'wss://a.example', 'http://127.0.0.1:1', 'ws://[::1]']) {
      expect(routeOf(url, environment, proxy)).toBe(route);
    }
  });
});

describe('what is no proxy', () => {
  it.each([
    ['', 'is not the URL'],
    ['http://', 'is not the URL'],
    ['http://user:hunter22@', 'is not the URL'],
    ['http://user:hunt/er22@p:1', 'is not the URL'],
    ['http://user:hunter22@p:123456', 'is not the URL'],
    ['ftp://user:hunter22@p', 'has a scheme'],
    ['socks4://user:hunter22@p', 'has a scheme'],
    ['socks5://', 'names no host'],
    ['http://p:1/hunter22', 'has something behind the port'],
    ['http://p:1?hunter22', 'has something behind the port'],
    ['http://user:hunter22%@p', 'has a "%"'],
    ['socks5://hunter22@p', 'needs both'],
    [`socks5://user:${'hunter22'.repeat(40)}@p`, 'needs both'],
  ])('%j is said to be so, without repeating it', (text, problem) => {
    const read = readProxy(text);
    expect(read).toMatchObject({ kind: 'unreadable', problem: expect.stringContaining(problem) });
    expect(JSON.stringify(read)).not.toContain('hunter22');
  });

  it('is told with the name of the variable', () => {
    expect(environmentProblems({ HTTPS_PROXY: 'ftp://u:hunter22@p', https_proxy: '', NO_PROXY: '://' })).toEqual([
      expect.stringMatching(/^HTTPS_PROXY: has a scheme .* or unset it$/),
    ]);
    expect(environmentProblems({ all_proxy: 'http://p:1', http_proxy: 'socks5h://u:v@p' })).toEqual([]);
  });
});

/** Longer than any accidental overlap with words of ours. */
const secret = fc.string({ minLength: 8, maxLength: 20, unit: fc.constantFrom(...'QXZJqxzj0189%@:/#?& é') });
const scheme = fc.constantFrom('http', 'https', 'socks5', 'socks5h');

describe('descriptions', () => {
  it('never contain user or password, whatever these are', () => {
    fc.assert(
      fc.property(scheme, secret, secret, (kind, user, password) => {
        const [u, p] = [encodeURIComponent(user), encodeURIComponent(password)];
        const proxy = `${kind}://${u}:${p}@proxy.example:3128`;
        const said = routeOf('wss://a.example', {}, proxy);
        expect(said).toMatch(/ proxy proxy\.example:3128$/);
        for (const part of [user, password, u, p]) expect(said).not.toContain(part);
        const read = readProxy(proxy);
        expect(read).toMatchObject({ proxy: { credentials: { user, password } } });
      }),
    );
  });

  it('of what cannot be read do not either, even with credentials in raw form', () => {
    fc.assert(
      fc.property(scheme, secret, secret, (kind, user, password) => {
        const read = readProxy(`${kind}://${user}:${password}@proxy.example:3128/x`);
        if (read.kind !== 'unreadable') return;
        expect(read.problem).not.toContain(user);
        expect(read.problem).not.toContain(password);
      }),
    );
  });
});
