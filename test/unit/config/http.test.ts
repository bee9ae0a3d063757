/** Where the web role listens, and that nobody opens it to others by accident. */
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

const TOKEN = 'a-token-of-sufficient-length';
const http = (text: string, env = {}) => load(`http: ${text}`, env).http;

describe('http', () => {
  it.each([
    ['{}', { host: '127.0.0.1', port: 8_420, portChosen: false, access: { kind: 'made' } }],
    ['{ port: 8420 }', { host: '127.0.0.1', port: 8_420, portChosen: true, access: { kind: 'made' } }],
    ['{ port: 0, host: "[::1]" }', { host: '::1', port: 0, portChosen: true, access: { kind: 'made' } }],
    ['{ host: localhost }', { host: 'localhost', port: 8_420, portChosen: false, access: { kind: 'made' } }],
    ['{ adminToken: none }', { host: '127.0.0.1', port: 8_420, portChosen: false, access: { kind: 'none' } }],
    [
      `{ host: 0.0.0.0, adminToken: ${TOKEN} }`,
      { host: '0.0.0.0', port: 8_420, portChosen: false, access: { kind: 'configured', token: TOKEN } },
    ],
    ['false', null],
    ['{ enabled: false, host: 0.0.0.0 }', null],
  ])('%s', (text, expected) => {
    expect(http(text)).toEqual(expected);
  });

  it('listens on loopback where nothing is said', () => {
    expect(load(QQ).http).toMatchObject({ host: '127.0.0.1', portChosen: false, access: { kind: 'made' } });
  });

  it.each(['0.0.0.0', '::', '192.168.1.4', 'nas.local', '127.0.0.1.nip.io', 'localhost.example'])(
    'refuses %s without a token, and names the key that is missing',
    (host) => {
      for (const token of ['', ', adminToken: none']) {
        expect(problemsOf(() => http(`{ host: "${host}"${token} }`))).toEqual([
          expect.stringMatching(/^http\.host: is no loopback address.*set http\.adminToken/),
        ]);
      }
    },
  );

  it('refuses a token that can be guessed where others can try, and only warns of it on loopback (L10)', () => {
    expect(problemsOf(() => http('{ host: 0.0.0.0, adminToken: fifteen-letters }'))).toEqual([
      expect.stringMatching(/^http\.adminToken: is shorter than 16 characters.*openssl rand -hex 24/),
    ]);
    expect(http('{ host: 0.0.0.0, adminToken: sixteen-letters- }')?.access.kind).toBe('configured');
    const { http: local, warnings } = load(`http: { adminToken: fifteen-letters }\n${QQ}`);
    expect(local?.access).toEqual({ kind: 'configured', token: 'fifteen-letters' });
    expect(warnings).toEqual([expect.stringMatching(/^http\.adminToken: shorter than 16 characters/)]);
  });

  it('takes the token from a file, or from the environment where there is no file', () => {
    const cwd = folderWith({ 'holdfast.yaml': 'http: { adminTokenFile: token.txt }', 'token.txt': `${TOKEN}\n` });
    expect(loadConfig({ cwd, env: {} }).http?.access).toEqual({ kind: 'configured', token: TOKEN });
    const env = { HOLDFAST_ADMIN_TOKEN: TOKEN, QQ_APP_ID: '1', QQ_CLIENT_SECRET: 'a-secret-of-no-use' };
    expect(loadConfig({ cwd: folderWith({}), env }).http?.access).toEqual({ kind: 'configured', token: TOKEN });
  });

  it('has no token for commands that only look, which need none to be set', () => {
    const text = `http: { host: 0.0.0.0, adminToken: "\${NOBODY_SET_IT}" }`;
    expect(load(text, {}, { secrets: 'unneeded' }).http).toMatchObject({
      host: '0.0.0.0',
      access: { kind: 'configured', token: '' },
    });
  });

  it.each([
    ['true', 'http: must be false, or a group of keys: host, port, adminToken'],
    ['{ port: "8420" }', 'http.port: must be a whole number, without quotes'],
    ['{ port: 70000 }', 'http.port: must be at most 65535'],
    ['{ prot: 1 }', 'http.prot: is not a known key; did you mean "port"?'],
  ])('refuses %s', (text, problem) => {
    expect(problemsOf(() => http(text))).toEqual([problem]);
  });
});
