/** Each kind of bad configuration gives one line that names the key, the problem and the fix. */
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { loadConfig } from '../../../src/config.ts';
import { ConfigError } from '../../../src/errors.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

const qq = (line: string) => `${QQ}    ${line}\n`;
const instead = (key: string, value: string) => QQ.replace(new RegExp(`${key}: .*`), `${key}: ${value}`);

describe('one clear line', () => {
  it.each([
    // wrong types
    [
      'text for a duration',
      'timings: { leaseMs: 6s }',
      'timings.leaseMs: must be a whole number of milliseconds, without quotes or unit (found text)',
    ],
    [
      'a fraction',
      'timings: { leaseMs: 6000.5 }',
      'timings.leaseMs: must be a whole number of milliseconds, without quotes or unit (found a number)',
    ],
    ['a negative duration', 'timings: { drainMs: -1 }', 'timings.drainMs: must be at least 100 (milliseconds)'],
    [
      'a drain longer than a stop may take',
      'timings: { drainMs: 20000 }',
      'timings.drainMs: must be at most 9500 (milliseconds)',
    ],
    ['text for a group', 'timings: fast', 'timings: must be a group of keys (found text)'],
    ['text for the agent', 'agent: echo', 'agent: must be a group of keys, for example { kind: echo }'],
    [
      'a group for the list',
      'connections: { qq: 1 }',
      'connections: must be a list: each connection starts with "- id: …"',
    ],
    [
      'text for a connection',
      'connections: [qq]',
      'connections[0]: must be a group of keys: id, platform and what the platform needs',
    ],
    [
      'text for yes or no',
      qq('enabled: "yes"'),
      'connections[0] (qq-main).enabled: must be true or false, without quotes (found text)',
    ],
    [
      'an app id that YAML reads as a number',
      instead('appId', '102000000'),
      'connections[0] (qq-main).appId: must be text, and YAML reads digits as a number; put it in quotes: appId: "102000000"',
    ],
    [
      'an app id that YAML has rounded',
      instead('appId', '12345678901234567890'),
      'connections[0] (qq-main).appId: must be text, and YAML reads digits as a number; put it in quotes: appId: "…"',
    ],
    [
      'an unknown level',
      'log: { level: loud }',
      'log.level: must be one of: trace, debug, info, warn, error, fatal, silent',
    ],
    ['an unknown agent', 'agent: { kind: gpt }', 'agent.kind: must be one of: echo, openai, webhook'],
    [
      'an unknown platform',
      'connections: [{ id: a, platform: icq }]',
      'connections[0] (a).platform: must be one of: qq, telegram',
    ],
    ['an unknown access', 'access: all', 'access: must be one of: open'],
    [
      'a delay that runs backwards',
      'agent: { kind: echo, delayMs: [9, 1] }',
      'agent.delayMs: must list the smaller number first, as in [100, 2000]',
    ],
    [
      'a delay that is text',
      'agent: { kind: echo, delayMs: soon }',
      'agent.delayMs: must be whole milliseconds: one number, or a list [from, to] to draw from',
    ],
    [
      'a Redis of another kind',
      'redis: { url: "http://127.0.0.1" }',
      'redis.url: must be a URL that starts with redis:// or rediss://, for example redis://127.0.0.1:6379/0; leave it out for the embedded Redis',
    ],
    [
      'a Redis database that is no number',
      'redis: { url: "redis://h/x" }',
      'redis.url: must be a URL that starts with redis:// or rediss://, for example redis://127.0.0.1:6379/0; leave it out for the embedded Redis',
    ],
    [
      'Sentinels without a name for the master',
      'redis: { sentinels: [{ host: 10.0.0.1 }] }',
      "redis.sentinels: needs redis.url, for example redis://mymaster/0: its host is the master's name",
    ],
    [
      'Sentinels beside a URL that is none',
      'redis: { url: mymaster, sentinels: [{ host: 10.0.0.1 }] }',
      'redis.url: must be a URL that starts with redis:// or rediss://, for example redis://127.0.0.1:6379/0; leave it out for the embedded Redis',
    ],
    [
      'the address of the master beside Sentinels',
      'redis: { url: "redis://10.0.0.9:6379/0", sentinels: [{ host: 10.0.0.1 }] }',
      'redis.url: has a port, and with redis.sentinels its host is only a name; remove the port',
    ],
    [
      'a prefix that breaks keys',
      'redis: { prefix: "a{b}" }',
      'redis.prefix: must start with a-z and have at most 32 of a-z, 0-9 and "-", for example hf',
    ],
    [
      'a URL with a password',
      qq('apiBaseUrl: https://a:b@c'),
      'connections[0] (qq-main).apiBaseUrl: must be a URL that starts with http:// or https://, for example https://api.sgroup.qq.com; without "?", "#" or a password',
    ],
    [
      'freshIdentify: true',
      qq('freshIdentify: true'),
      'connections[0] (qq-main).freshIdentify: must be false, or a group of keys: { afterMs: 172800000, quietMs: 600000 }',
    ],
    [
      'an app id that is none',
      instead('appId', 'my-bot'),
      'connections[0] (qq-main).appId: must be digits in quotes, as the QQ bot console shows them: appId: "102000000"',
    ],
    // missing
    [
      'no secret',
      QQ.replace(/ {4}clientSecret.*\n/, ''),
      'connections[0] (qq-main).clientSecret: is missing; add clientSecret: ${QQ_CLIENT_SECRET}, or clientSecretFile',
    ],
    [
      'an empty secret',
      instead('clientSecret', '""'),
      'connections[0] (qq-main).clientSecret: is empty; write clientSecret: ${QQ_CLIENT_SECRET}, or clientSecretFile',
    ],
    [
      'no app id',
      QQ.replace(/ {4}appId.*\n/, ''),
      'connections[0] (qq-main).appId: is missing; add appId: "102000000"',
    ],
    [
      'no id',
      'connections: [{ platform: qq, appId: "1", clientSecret: x }]',
      'connections[0].id: is missing; add a name such as id: qq-main',
    ],
    [
      'no platform',
      'connections: [{ id: a, appId: "1", clientSecret: x }]',
      'connections[0] (a).platform: must be one of: qq, telegram',
    ],
    ['no agent URL', 'agent: { kind: openai, model: m }', 'agent.url: is missing; add url: http://127.0.0.1:8642/v1'],
    // unknown keys
    [
      'a misspelt key',
      qq('apiBseUrl: https://x'),
      'connections[0] (qq-main).apiBseUrl: is not a known key; did you mean "apiBaseUrl"?',
    ],
    ['a misspelt key at the top', 'conections: []', 'conections: is not a known key; did you mean "connections"?'],
    ['a strange key', 'log: { colour: red }', 'log.colour: is not a known key; remove it, or use one of: level'],
    [
      'a misspelt key in a group of a union',
      qq('freshIdentify: { after: 1 }'),
      'connections[0] (qq-main).freshIdentify.after: is not a known key; did you mean "afterMs"?',
    ],
    [
      'a proxy with an unknown scheme',
      qq('proxy: ftp://user:hunter22@10.0.0.1:21'),
      'connections[0] (qq-main).proxy: has a scheme that is not supported; write http://host:port, https://, socks5:// or socks5h://, with user:password@ where it is needed',
    ],
    [
      'the retired token',
      qq('token: abc'),
      'connections[0] (qq-main).token: is the retired way to log in; use clientSecret',
    ],
    // ids
    [
      'an id with a colon',
      instead('id', '"qq:main"'),
      'connections[0] (qq:main).id: must start with a-z and have at most 63 of a-z, 0-9 and "-", for example qq-main',
    ],
    [
      'an id that is a number',
      instead('id', '"7"'),
      'connections[0] (7).id: must start with a-z and have at most 63 of a-z, 0-9 and "-", for example qq-main',
    ],
    [
      'two connections with one id',
      `${QQ}${QQ.replace('\nconnections:\n', '')}`,
      'connections[1] (qq-main).id: "qq-main" is already the id of connections[0]; give one of them another id',
    ],
    // contradicting timings
    [
      'a lease without room for lost renewals',
      'timings: { leaseMs: 4500 }',
      'timings.leaseMs: is 4500, and must be more than 3 × renewEveryMs (1500): one or two lost renewals must not cost the lease; raise leaseMs or lower renewEveryMs',
    ],
    [
      'a job lock below the lease',
      'timings: { jobLockMs: 6000 }',
      'timings.jobLockMs: is 6000, and must be more than leaseMs (6000): the lease must run out first, as it alone decides who may act; raise jobLockMs or lower leaseMs',
    ],
    [
      'a cap below the base',
      'timings: { backoffCapMs: 100 }',
      'timings.backoffCapMs: is 100, and must be at least backoffBaseMs (500); raise backoffCapMs or lower backoffBaseMs',
    ],
    [
      'a sweep slower than the lease',
      'timings: { sweepEveryMs: 6000 }',
      'timings.leaseMs: is 6000, and must be more than sweepEveryMs (6000): else a connection without owner waits longer for a look than for its lease; raise leaseMs or lower sweepEveryMs',
    ],
    [
      'a look for dead workers slower than their locks',
      'timings: { stalledEveryMs: 5000 }',
      'timings.turnLockMs: is 10000, and must be more than 2 × stalledEveryMs (5000): else the check for dead workers is slower than the lock; raise turnLockMs or lower stalledEveryMs',
    ],
    [
      'a pong later than the next ping',
      qq('pongDeadlineMs: 8000'),
      'connections[0] (qq-main).pongDeadlineMs: is 8000, and must be less than pingEveryMs (8000); lower pongDeadlineMs or raise pingEveryMs',
    ],
    [
      'a quiet time longer than the session',
      qq('freshIdentify: { afterMs: 60000 }'),
      'connections[0] (qq-main).freshIdentify.quietMs: is 600000, and must be less than afterMs (60000); lower quietMs or raise afterMs',
    ],
    // references
    [
      'a variable that is not set',
      instead('clientSecret', '${NOWHERE}'),
      'connections[0] (qq-main).clientSecret: needs the environment variable NOWHERE, which is not set or empty; set it, or write the value here',
    ],
    [
      'a reference without end',
      instead('clientSecret', '"a${B"'),
      'connections[0] (qq-main).clientSecret: has "${" without the name of an environment variable and "}"; write $${ for a literal "${"',
    ],
    [
      'a secret file that is not there',
      QQ.replace('clientSecret: top-secret-value', 'clientSecretFile: /no/such/file'),
      'connections[0] (qq-main).clientSecretFile: names /no/such/file, which cannot be read (ENOENT); create it or correct the path',
    ],
    [
      'a secret twice',
      qq('clientSecretFile: /no/such/file'),
      'connections[0] (qq-main).clientSecretFile: stands beside clientSecret; keep one of them',
    ],
  ])('for %s', (_, text, line) => {
    expect(problemsOf(() => load(text))).toEqual([line]);
  });
});

describe('several problems', () => {
  it('are told at once, and none twice', () => {
    const problems = problemsOf(() =>
      load(`log: { level: loud }\nwhat: 1\n${instead('clientSecret', '${NOWHERE}')}    intents: [ALL]\n`),
    );
    expect(problems.map((line) => line.split(': ')[0])).toEqual([
      'connections[0] (qq-main).clientSecret',
      'log.level',
      'connections[0] (qq-main).intents[0]',
      'what',
    ]);
  });
});

describe('a file', () => {
  const fileProblem = (text: string, name = 'holdfast.yaml') => {
    const cwd = folderWith({ [name]: text });
    return problemsOf(() => loadConfig({ cwd, env: {} })).map((line) => line.replace(`${cwd}/`, ''));
  };

  it.each([
    ['connections: [', /^holdfast\.yaml: is not valid YAML at line 1, column \d+ \(.+\); correct that line$/],
    [
      'a: 1\nlog: { level: info }\nlog: { level: warn }',
      /^holdfast\.yaml: is not valid YAML at line 3, column 1 \(duplicate key\)/,
    ],
    ['- a list', /^holdfast\.yaml: must be a group of keys/],
    ['a: *nothing', /^holdfast\.yaml: (is not valid YAML|refers to an anchor)/],
    [
      `a: &a [x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\nc: [*b,*b,*b,*b,*b,*b,*b,*b,*b]`,
      /^holdfast\.yaml: refers to an anchor/,
    ],
    ['a: !!python/object x', /^holdfast\.yaml: is not valid YAML at line 1/],
  ])('that is broken is one line with its place: %j', (text, line) => {
    const problems = fileProblem(text);
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(line);
  });

  it('that was asked for and is not there is an error, not a fallback', () => {
    const cwd = folderWith({ 'holdfast.yaml': QQ });
    expect(problemsOf(() => loadConfig({ cwd, file: 'other.yaml', env: {} }))).toEqual([
      `${join(cwd, 'other.yaml')}: cannot be read (ENOENT); create it or correct --config or HOLDFAST_CONFIG`,
    ]);
    expect(problemsOf(() => loadConfig({ cwd, file: '.', env: {} }))[0]).toContain('cannot be read (EISDIR)');
  });

  it('problem is a ConfigError that needs a person', () => {
    expect(() => load('what: 1')).toThrow(ConfigError);
    expect(new ConfigError(['a', 'b'])).toMatchObject({
      disposition: 'give-up',
      problems: ['a', 'b'],
      message: 'a\nb',
    });
  });
});
