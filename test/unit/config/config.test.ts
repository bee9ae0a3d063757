import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { qqOptionsSchema, readQqOptions } from '../../../src/adapters/qq/options.ts';
import { DEFAULT_INTENTS } from '../../../src/adapters/qq/protocol.ts';
import { loadConfig } from '../../../src/config.ts';
import type { JsonValue } from '../../../src/model.ts';
import { redact } from '../../../src/text/redact.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

describe('a configuration file', () => {
  it('needs only the connections; the rest has defaults', () => {
    const config = load(QQ);
    expect(config).toMatchObject({
      redis: { url: null, prefix: 'hf', appendfsync: 'always', maxMemoryBytes: null },
      log: { level: 'info' },
      timings: { leaseMs: 6_000, renewEveryMs: 1_500, sweepEveryMs: 1_000, backoffCapMs: 15_000, drainMs: 8_000 },
      access: 'open',
      agent: { kind: 'echo', delayMs: [0, 0] },
      warnings: [],
    });
    expect(config.connections).toHaveLength(1);
  });

  it('keeps secrets apart from the options that go to Redis', () => {
    const [connection] = load(QQ).connections;
    expect(connection?.secrets).toEqual({ clientSecret: 'top-secret-value' });
    expect(connection?.options).toEqual({
      appId: '102000000',
      apiBaseUrl: 'https://api.sgroup.qq.com',
      tokenUrl: 'https://bots.qq.com/app/getAppAccessToken',
      intents: DEFAULT_INTENTS,
      groups: 'mentions',
      freshIdentify: { afterMs: 172_800_000, quietMs: 600_000 },
      pingEveryMs: 8_000,
      pongDeadlineMs: 4_000,
      sendTimeoutMs: 10_000,
      maxTextLength: 2_000,
    });
    expect(JSON.stringify(connection?.options)).not.toContain('secret');
  });

  it('gives the QQ adapter exactly the options it knows, so that no key is lost between the two', () => {
    const keys =
      'maxReplyChars: 321\n    sendTimeoutMs: 6000\n    freshIdentify: false\n    gatewayHosts: [gw.example]\n';
    const options = load(`${QQ}    ${keys}`).connections[0]?.options;
    expect(options).toMatchObject({ maxTextLength: 321, sendTimeoutMs: 6_000, freshIdentify: false });
    expect(readQqOptions(options as JsonValue)).toEqual(options);
    expect(readQqOptions(load(QQ).connections[0]?.options as JsonValue)).toEqual(load(QQ).connections[0]?.options);
    expect(Object.keys(qqOptionsSchema.shape).sort()).toEqual(Object.keys(options ?? {}).sort());
  });

  it('gives a connection another fingerprint when its secret or an option changes, and only then', () => {
    const print = (text: string) => load(text).connections[0]?.fingerprint;
    expect(print(QQ)).toBe(print(`log: { level: debug }\n${QQ}`));
    expect(print(QQ)).not.toBe(print(QQ.replace('top-secret-value', 'another-value')));
    expect(print(QQ)).not.toBe(print(`${QQ}    intents: 1\n`));
  });

  it('may be JSON, indented with tabs', () => {
    const cwd = folderWith({
      'holdfast.json': JSON.stringify({ redis: { prefix: 'other' }, connections: [] }, null, '\t'),
    });
    expect(loadConfig({ cwd, env: {} }).redis.prefix).toBe('other');
  });

  it('is found by --config before HOLDFAST_CONFIG before the working directory', () => {
    const cwd = folderWith({
      'holdfast.yaml': 'redis: { prefix: here }',
      'env.yaml': 'redis: { prefix: env }',
      'flag.yaml': 'redis: { prefix: flag }',
    });
    const env = { HOLDFAST_CONFIG: 'env.yaml' };
    expect(loadConfig({ cwd, env, file: 'flag.yaml' }).redis.prefix).toBe('flag');
    expect(loadConfig({ cwd, env }).redis.prefix).toBe('env');
    expect(loadConfig({ cwd, env: {} })).toMatchObject({
      redis: { prefix: 'here' },
      source: join(cwd, 'holdfast.yaml'),
    });
  });

  it('takes intents by name or as a number, and cuts slashes off base URLs', () => {
    const [named, number] = load(`
connections:
  - { id: a, platform: qq, appId: "1", clientSecret: x, intents: [GROUP_AND_C2C_EVENT, PUBLIC_GUILD_MESSAGES] }
  - { id: b, platform: qq, appId: "1", clientSecret: x, intents: 512, apiBaseUrl: "http://127.0.0.1:9/", freshIdentify: false }
`).connections;
    expect(named?.options).toMatchObject({ intents: 2 ** 25 + 2 ** 30 });
    expect(number?.options).toMatchObject({ intents: 512, apiBaseUrl: 'http://127.0.0.1:9', freshIdentify: false });
  });

  it('takes an echo delay as one number or as a range, and all options of an openai agent', () => {
    expect(load('agent: { kind: echo, delayMs: 20 }').agent).toMatchObject({
      kind: 'echo',
      delayMs: [20, 20],
      maxReplyParts: 10,
    });
    expect(load('agent: { kind: echo, delayMs: [5, 50] }').agent).toMatchObject({ kind: 'echo', delayMs: [5, 50] });
    expect(load('agent: { kind: openai, url: http://127.0.0.1:1/v1/, model: m }').agent).toEqual({
      kind: 'openai',
      url: 'http://127.0.0.1:1/v1',
      model: 'm',
      timeoutMs: 120_000,
      maxRetries: 2,
      historyMessages: 20,
      maxMessagesPerTurn: 1,
      maxReplyParts: 10,
    });
  });
});

describe('references', () => {
  it('put environment variables into text, and $${ writes a literal one', () => {
    const config = load(
      `redis: { url: "redis://\${HOST}:\${PORT}/0" }\nagent: { kind: openai, url: http://127.0.0.1/v1, model: "$\${m}" }`,
      {
        HOST: 'db.example',
        PORT: '6380',
      },
    );
    expect(config.redis.url).toBe('redis://db.example:6380/0');
    expect(config.agent).toMatchObject({ model: '${m}' });
  });

  it('read a secret from a file beside the configuration', () => {
    const cwd = folderWith({
      'holdfast.yaml': `agent: { kind: openai, url: http://127.0.0.1/v1, model: m, apiKeyFile: key.txt }\nredis: { urlFile: redis.txt }\n${QQ.replace('clientSecret: top-secret-value', 'clientSecretFile: ./qq.txt')}`,
      'qq.txt': 'secret-from-file\n',
      'key.txt': '  key-from-file ',
      'redis.txt': 'redis://:pw-from-file@127.0.0.1:6379/1\n',
    });
    const config = loadConfig({ cwd: '/', file: join(cwd, 'holdfast.yaml'), env: {} });
    expect(config.connections[0]?.secrets).toEqual({ clientSecret: 'secret-from-file' });
    expect(config.agent).toMatchObject({ apiKey: 'key-from-file' });
    expect(config.redis.url).toBe('redis://:pw-from-file@127.0.0.1:6379/1');
  });

  it('are looked up once: a value that looks like one is left alone', () => {
    expect(load(QQ.replace('top-secret-value', '${S}'), { S: '${T}' }).connections[0]?.secrets).toEqual({
      clientSecret: '${T}',
    });
  });
});

describe('environment variables alone', () => {
  const env = { QQ_APP_ID: '102000000', QQ_CLIENT_SECRET: 'literal-${x}-secret' };

  it('make a QQ connection with the echo agent and the embedded Redis', () => {
    const config = loadConfig({ cwd: folderWith({}), env });
    expect(config).toMatchObject({
      source: 'environment variables',
      file: null,
      redis: { url: null },
      agent: { kind: 'echo' },
    });
    expect(config.connections).toMatchObject([
      {
        id: 'qq-main',
        platform: 'qq',
        options: { appId: '102000000' },
        secrets: { clientSecret: 'literal-${x}-secret' },
      },
    ]);
  });

  it('make a Telegram connection of a bot token, alone or beside QQ', () => {
    const telegram = { TELEGRAM_BOT_TOKEN: '700000001:abc_DEF-1', TELEGRAM_API_BASE_URL: 'http://127.0.0.1:1' };
    const alone = loadConfig({ cwd: folderWith({}), env: telegram }).connections;
    expect(alone).toMatchObject([
      {
        id: 'tg-main',
        platform: 'telegram',
        // The number before the colon is public; the token itself never gets into the options, which go to Redis.
        options: { botId: '700000001', apiBaseUrl: 'http://127.0.0.1:1', groups: 'mentions', dropPending: false },
        secrets: { token: '700000001:abc_DEF-1' },
      },
    ]);
    expect(JSON.stringify(alone[0]?.options)).not.toContain('abc_DEF-1');
    const both = loadConfig({ cwd: folderWith({}), env: { ...env, ...telegram } }).connections;
    expect(both.map(({ id }) => id)).toEqual(['qq-main', 'tg-main']);
  });

  it('also name Redis, the agent and the endpoints', () => {
    const config = loadConfig({
      cwd: folderWith({}),
      env: {
        ...env,
        REDIS_URL: 'redis://127.0.0.1:6379/2',
        HOLDFAST_AGENT_URL: 'http://127.0.0.1:8642/v1',
        HOLDFAST_AGENT_KEY: 'agent-key',
        QQ_API_BASE_URL: 'http://127.0.0.1:1',
        QQ_TOKEN_URL: 'http://127.0.0.1:1/token',
      },
    });
    expect(config.redis.url).toBe('redis://127.0.0.1:6379/2');
    expect(config.agent).toMatchObject({ kind: 'openai', url: 'http://127.0.0.1:8642/v1', apiKey: 'agent-key' });
    expect(config.connections[0]?.options).toMatchObject({
      apiBaseUrl: 'http://127.0.0.1:1',
      tokenUrl: 'http://127.0.0.1:1/token',
    });
  });

  it.each([
    [{}, /^no configuration: create holdfast\.yaml .* or set TELEGRAM_BOT_TOKEN, or QQ_APP_ID and QQ_CLIENT_SECRET$/],
    [{ QQ_APP_ID: '1' }, /^QQ_CLIENT_SECRET: is not set or empty; set it/],
    [{ QQ_CLIENT_SECRET: 'x' }, /^QQ_APP_ID: is not set or empty; set it/],
    [{ ...env, TELEGRAM_BOT_TOKEN: 'nonsense' }, /^TELEGRAM_BOT_TOKEN: is no bot token; copy it whole/],
    [{ ...env, REDIS_URL: 'localhost' }, /^REDIS_URL: must be a URL that starts with redis:/],
    [{ ...env, HOLDFAST_AGENT_URL: 'localhost' }, /^HOLDFAST_AGENT_URL: must be a URL/],
  ])('that are missing or wrong are named: %o', (bad, line) => {
    const problems = problemsOf(() => loadConfig({ cwd: folderWith({}), env: bad }));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(line);
  });
});

describe('a command that needs no secrets', () => {
  it('can do without their variables and files, and without any configuration', () => {
    const config = load(
      `${QQ.replace('top-secret-value', '${UNSET}')}agent: { kind: openai, url: http://127.0.0.1/v1, model: m, apiKeyFile: /nowhere }`,
      {},
      { secrets: 'unneeded' },
    );
    expect(config.connections[0]).toMatchObject({ id: 'qq-main', secrets: {} });
    expect(config.agent).not.toHaveProperty('apiKey');
    expect(loadConfig({ cwd: folderWith({}), env: {}, secrets: 'unneeded' }).connections).toEqual([]);
    expect(loadConfig({ cwd: folderWith({}), env: { QQ_APP_ID: '1' }, secrets: 'unneeded' }).connections).toHaveLength(
      1,
    );
  });

  it('knows a Telegram connection without its token', () => {
    const text = 'connections: [{ id: tg, platform: telegram, tokenFile: /nowhere }]';
    expect(load(text, {}, { secrets: 'unneeded' }).connections).toMatchObject([{ id: 'tg', secrets: {} }]);
  });

  it('still needs the address of Redis', () => {
    expect(problemsOf(() => load('redis: { url: "${NO_REDIS}" }', {}, { secrets: 'unneeded' }))[0]).toContain(
      'NO_REDIS',
    );
  });
});

describe('sabotage', () => {
  it('is off unless the environment asks for one of the three', () => {
    expect(load(QQ).sabotage).toBeNull();
    expect(load(QQ, { HOLDFAST_SABOTAGE: '' }).sabotage).toBeNull();
    expect(load(QQ, { HOLDFAST_SABOTAGE: 'dedupe' }).sabotage).toBe('dedupe');
    expect(problemsOf(() => load(QQ, { HOLDFAST_SABOTAGE: 'all' }))[0]).toMatch(/^HOLDFAST_SABOTAGE: must be cursor/);
  });
});

describe('secrets of the configuration', () => {
  it('are known to the logger once it is loaded', () => {
    load(
      `redis: { url: "redis://us%40r-of-redis:p%40ssw0rd@127.0.0.1/0" }\nhttp: { adminToken: admin-token-value }\nagent: { kind: openai, url: http://127.0.0.1/v1, model: m, apiKey: agent-key-value }\n${QQ}`,
    );
    expect(redact('top-secret-value p@ssw0rd p%40ssw0rd admin-token-value agent-key-value')).toBe(
      '[redacted] [redacted] [redacted] [redacted] [redacted]',
    );
    // The user of Redis as well (L8), unless it is a name that tells nobody anything.
    expect(redact('us@r-of-redis us%40r-of-redis')).toBe('[redacted] [redacted]');
    load(`redis: { url: "redis://default:another-password@127.0.0.1/0" }\n${QQ}`);
    expect(redact('by default')).toBe('by default');
  });

  it('are in no problem line, whatever is wrong with them', () => {
    const cwd = folderWith({});
    const bad = [
      `connections: [{ id: hush-1, platform: qq, appId: "1", clientSecret: [hush], clientSecretFile: hush.txt }]`.replace(
        'hush-1',
        'a',
      ),
      'redis: { url: "http://user:hush@host" }',
      'agent: { kind: openai, url: "https://user:hush@host?key=hush", model: m, apiKey: { hush: hush } }'.replace(
        '{ hush: hush }',
        '[hush]',
      ),
      'http: { adminToken: [hush] }',
      'connections:\n  - clientSecret: "hush\n',
      'connections:\n  - clientSecret: "hush" hush',
      '{"clientSecret": "hush" "hush"}',
      'clientSecret: *hush-alias'.replace('hush-alias', 'a'),
    ];
    for (const [index, text] of bad.entries()) {
      const file = join(cwd, `${index}.yaml`);
      writeFileSync(file, text);
      const lines = problemsOf(() => loadConfig({ cwd, file, env: {} })).join('\n');
      expect(lines.replaceAll('hush.txt', '')).not.toContain('hush');
    }
  });
});

describe('warnings', () => {
  it.each([
    ['http: { adminToken: short }', /^http\.adminToken: shorter than 16 characters/],
    ['log: { level: info }', /^connections: none is configured/],
    [
      'redis: { url: "redis://127.0.0.1", appendfsync: always }',
      /^redis\.appendfsync: .* does nothing beside redis\.url/,
    ],
    ['agent: { kind: openai, url: https://example.org/v1, model: m }', /^access: open/],
    ['agent: { kind: openai, url: http://example.org/v1, model: m }', /^agent\.url: .*unencrypted/],
    ['redis: { url: "redis://redis.example/0" }', /^redis\.url: .*unencrypted; use rediss/],
    [
      'redis: { url: "redis://main/0", sentinels: [{ host: 127.0.0.1 }, { host: 10.0.0.1 }] }',
      /^redis\.url: .*unencrypted/,
    ],
    [
      'alerts: { sinks: [{ kind: slack, webhookUrl: "http://hooks.example/x" }] }',
      /^alerts\.sinks\[0\]\.webhookUrl: .*unencrypted/,
    ],
    [`${QQ}    apiBaseUrl: http://example.org\n`, /^connections\[0\] \(qq-main\)\.apiBaseUrl: .*unencrypted/],
  ])('%s', (text, warning) => {
    expect(load(text).warnings).toContainEqual(expect.stringMatching(warning));
  });

  it.each(['redis://127.0.0.1/0', 'redis://localhost', 'redis://[::1]:6379', 'rediss://redis.example/0'])(
    'say nothing of %s',
    (url) => {
      expect(load(`redis: { url: "${url}" }`).warnings.filter((line) => line.startsWith('redis'))).toEqual([]);
    },
  );

  it('say which variables a file leaves unused', () => {
    const env = { REDIS_URL: 'redis://127.0.0.1', QQ_CLIENT_SECRET: 'used-secret' };
    const { warnings } = load(QQ.replace('top-secret-value', '${QQ_CLIENT_SECRET}'), env);
    expect(warnings).toEqual([expect.stringMatching(/^REDIS_URL set in the environment, and not used/)]);
  });
});
