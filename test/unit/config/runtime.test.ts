/** Connections added at run time: secrets by reference, within bounds, and never a value in what is stored or said. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readKeys } from '../../../src/commands/connection-keys.ts';
import { checkRuntimeConnection, resolveRuntimeConnection } from '../../../src/config.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

const bounds = { secretsPrefix: 'HOLDFAST_SECRET_', secretsDir: '/run/some-secrets' };
const noFiles = { ...bounds, secretsDir: null };
const qq = { id: 'qq-2', platform: 'qq', appId: '102000001' };
const byVariable = { ...qq, clientSecret: '${HOLDFAST_SECRET_QQ2}' };
const byFile = { ...qq, clientSecretFile: 'qq2' };

describe('a connection to be added', () => {
  it.each([
    ['a variable', byVariable],
    ['a file', byFile],
    ['a file by its whole path', { ...qq, clientSecretFile: '/run/some-secrets/deeper/qq2' }],
    ['a proxy that has no password', { ...byVariable, proxy: 'http://10.0.0.1:3128' }],
    ['no proxy', { ...byVariable, proxy: 'direct' }],
    ['a proxy by reference', { ...byVariable, proxy: '${HOLDFAST_SECRET_PROXY}' }],
  ])('may name %s', (_, given) => {
    const { id, options, secrets } = checkRuntimeConnection(given, bounds);
    expect({ id, secrets, appId: (options as { appId: string }).appId }).toEqual({
      id: 'qq-2',
      secrets: {},
      appId: '102000001',
    });
  });

  it.each([
    [
      'a secret itself',
      { ...qq, clientSecret: 'hush-hush-hush' },
      /^clientSecret: must be a reference.*HOLDFAST_SECRET_…/,
    ],
    ['a secret beside a reference', { ...qq, clientSecret: 'x${HOLDFAST_SECRET_A}hush-hush' }, /must be a reference/],
    [
      'another variable',
      { ...qq, clientSecret: '${AWS_SECRET_ACCESS_KEY}' },
      /may only name variables that begin with/,
    ],
    ['the bare prefix', { ...qq, clientSecret: '${HOLDFAST_SECRET_}' }, /may only name variables/],
    ['a file elsewhere', { ...qq, clientSecretFile: '/etc/shadow' }, /must lie below runtime\.secretsDir/],
    ['a way out of the folder', { ...qq, clientSecretFile: '../shadow' }, /must lie below/],
    ['the folder itself', { ...qq, clientSecretFile: '.' }, /must lie below/],
    ['both forms', { ...byVariable, clientSecretFile: 'qq2' }, /stands beside clientSecret/],
    [
      'a proxy with its password',
      { ...byVariable, proxy: 'http://u:hush-hush@10.0.0.1:1' },
      /^proxy: must be a reference/,
    ],
    [
      'a reference where no secret stands',
      { ...byVariable, apiBaseUrl: 'https://x/${HOLDFAST_SECRET_A}' },
      /^apiBaseUrl: only secrets/,
    ],
    ['a reference deeper down', { ...byVariable, freshIdentify: { afterMs: '${HOLDFAST_SECRET_A}' } }, /only secrets/],
    ['an unknown key', { ...byVariable, intense: 1 }, /intense: is not a known key; did you mean "intents"/],
    ['an unknown platform', { ...byVariable, platform: 'icq' }, /must be one of: qq, telegram/],
    ['a bad id', { ...byVariable, id: 'Qq:2' }, /^id: must start with a-z/],
    ['nothing', null, /must be a group of keys/],
    ['a list', [byVariable], /must be a group of keys/],
  ])('is refused with words when it has %s', (_, given, problem) => {
    const problems = problemsOf(() => checkRuntimeConnection(given, bounds)).join('\n');
    expect(problems).toMatch(problem);
    expect(problems).not.toContain('hush');
  });

  it('needs a folder for files', () => {
    expect(problemsOf(() => checkRuntimeConnection(byFile, noFiles))).toEqual([
      expect.stringMatching(/^clientSecretFile: needs runtime\.secretsDir in the configuration/),
    ]);
  });
});

describe('a process that looks its secrets up', () => {
  it('finds variables and files, and what only the secret tells', () => {
    const dir = folderWith({ bot: '4711:the-token-of-the-bot\n' });
    const env = { HOLDFAST_SECRET_QQ2: 'hush-hush-hush', OTHER: 'other' };
    expect(resolveRuntimeConnection(byVariable, bounds, env).secrets).toEqual({ clientSecret: 'hush-hush-hush' });
    const telegram = { id: 'tg-2', platform: 'telegram', tokenFile: 'bot' };
    const found = resolveRuntimeConnection(telegram, { ...bounds, secretsDir: dir }, {});
    expect(found.secrets).toEqual({ token: '4711:the-token-of-the-bot' });
    expect(found.options).toMatchObject({ botId: '4711' });
  });

  it('says what it lacks', () => {
    expect(problemsOf(() => resolveRuntimeConnection(byVariable, bounds, {}))).toEqual([
      expect.stringMatching(/^clientSecret: needs the environment variable HOLDFAST_SECRET_QQ2, which is not set/),
    ]);
    const dir = folderWith({});
    expect(problemsOf(() => resolveRuntimeConnection(byFile, { ...bounds, secretsDir: dir }, {}))).toEqual([
      expect.stringMatching(/^clientSecretFile: names .*qq2, which cannot be read \(ENOENT\)/),
    ]);
  });

  it('judges by its own bounds, whatever stands in Redis', () => {
    const env = { AWS_SECRET_ACCESS_KEY: 'hush-hush-hush' };
    const problems = problemsOf(() =>
      resolveRuntimeConnection({ ...qq, clientSecret: '${AWS_SECRET_ACCESS_KEY}' }, bounds, env),
    );
    expect(problems).toEqual([expect.stringMatching(/may only name variables/)]);
  });

  it('follows no link out of the folder, and any within it', () => {
    const outside = folderWith({ shadow: 'hush-hush-hush' });
    const dir = folderWith({});
    symlinkSync(join(outside, 'shadow'), join(dir, 'qq2'));
    const inside = { ...bounds, secretsDir: dir };
    expect(problemsOf(() => resolveRuntimeConnection(byFile, inside, {}))).toEqual([
      expect.stringMatching(/leads out of runtime\.secretsDir/),
    ]);
    mkdirSync(join(dir, '..data'));
    writeFileSync(join(dir, '..data', 'qq3'), 'hush-hush-hush');
    symlinkSync(join('..data', 'qq3'), join(dir, 'qq3'));
    const linked = resolveRuntimeConnection({ ...qq, clientSecretFile: 'qq3' }, inside, {});
    expect(linked.secrets).toEqual({ clientSecret: 'hush-hush-hush' });
  });

  it('knows another content as another version', () => {
    const dir = folderWith({ qq2: 'first-secret' });
    const version = () => resolveRuntimeConnection(byFile, { ...bounds, secretsDir: dir }, {}).fingerprint;
    const first = version();
    expect(version()).toBe(first);
    writeFileSync(join(dir, 'qq2'), 'second-secret');
    expect(version()).not.toBe(first);
  });
});

describe('runtime.secretsPrefix and runtime.secretsDir', () => {
  it('have defaults that let nobody read any file', () => {
    expect(load(QQ).runtime).toMatchObject({ secretsPrefix: 'HOLDFAST_SECRET_', secretsDir: null });
  });

  it.each(['', 'A_', 'AWS', 'hold-fast_'])('refuse a prefix that bounds nothing: "%s"', (prefix) => {
    expect(problemsOf(() => load(`runtime: { secretsPrefix: "${prefix}" }\n${QQ}`))).toEqual([
      expect.stringMatching(/^runtime\.secretsPrefix: must be/),
    ]);
  });
});

describe('keys on a command line', () => {
  it('become what the key wants', () => {
    const words = [
      'platform=qq',
      'appId=102000001',
      'pingEveryMs=9000',
      'enabled=false',
      'intents=[DIRECT_MESSAGE]',
      'clientSecret=${HOLDFAST_SECRET_QQ2}',
      'lateReply=',
    ];
    expect(readKeys(words)).toEqual({
      platform: 'qq',
      appId: '102000001',
      pingEveryMs: 9000,
      enabled: false,
      intents: ['DIRECT_MESSAGE'],
      clientSecret: '${HOLDFAST_SECRET_QQ2}',
      lateReply: null,
    });
  });

  it('are told from words that are none, without repeating them', () => {
    expect(problemsOf(() => readKeys(['platform=qq', 'hush-hush']))).toEqual([
      'argument 3: has no "="; write key=value, as in platform=qq',
    ]);
  });
});
