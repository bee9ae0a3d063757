import { describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/log.ts';
import { redact } from '../../../src/text/redact.ts';
import { folderWith, load, problemsOf, QQ } from './load.ts';

const SINKS = `
alerts:
  sinks:
    - kind: webhook
      url: https://pager.example/holdfast
      secret: secret-of-the-webhook
    - kind: slack
      webhookUrl: https://hooks.slack.example/services/T0/B0/xxSecretPathxx
      proxy: direct
    - kind: chat
      connection: qq-main
      conversation: "c2c:SOMEBODY"
`;

describe('alerts', () => {
  it('have defaults, and go to the log alone without a sink', () => {
    expect(load(QQ).alerts).toEqual({ downAfterMs: 60_000, repeatEveryMs: 3_600_000, sinks: [] });
  });

  it('name their sinks by where they go: the same after a restart, and without telling a secret', () => {
    const names = load(QQ + SINKS).alerts.sinks.map(({ name }) => name);
    expect(names).toEqual(load(QQ + SINKS).alerts.sinks.map(({ name }) => name));
    expect(names).toEqual([
      expect.stringMatching(/^webhook-[0-9a-f]{8}$/),
      expect.stringMatching(/^slack-[0-9a-f]{8}$/),
      expect.stringMatching(/^chat-[0-9a-f]{8}$/),
    ]);
  });

  it('keep secret and Slack URL out of the log', () => {
    load(QQ + SINKS);
    const lines: string[] = [];
    const log = createLogger({ name: 'test', destination: { write: (line) => void lines.push(line) } });
    log.info({ at: 'POST /services/T0/B0/xxSecretPathxx' }, 'signed with secret-of-the-webhook');
    expect(lines.join('')).not.toMatch(/xxSecretPathxx|secret-of-the-webhook/);
    expect(redact('https://hooks.slack.example/services/T0/B0/xxSecretPathxx')).not.toContain('xxSecretPathxx');
  });

  it('may have their secrets in files, and need none for commands that only look', () => {
    const cwd = folderWith({
      'hook.txt': 'from-a-file\n',
      'holdfast.yaml': `${QQ}
alerts:
  sinks:
    - { kind: webhook, url: "https://pager.example", secretFile: hook.txt }
    - { kind: slack, webhookUrl: "\${SLACK_URL}" }
    - { kind: slack, webhookUrl: "\${OTHER_SLACK_URL}" }
`,
    });
    const env = { SLACK_URL: 'https://hooks.slack.example/one', OTHER_SLACK_URL: 'https://hooks.slack.example/two' };
    const [hook] = load('', env, { cwd }).alerts.sinks;
    expect(hook).toMatchObject({ kind: 'webhook', secret: 'from-a-file' });
    expect(load('', {}, { cwd, secrets: 'unneeded' }).alerts.sinks).toHaveLength(3);
  });

  it.each([
    ['- { kind: pigeon }', 'alerts.sinks[0].kind', 'must be one of'],
    ['- { kind: webhook, url: "https://a.example" }', 'alerts.sinks[0].secret', 'is missing'],
    ['- { kind: slack }', 'alerts.sinks[0].webhookUrl', 'is missing'],
    ['- { kind: slack, webhookUrl: hooks }', 'alerts.sinks[0].webhookUrl', 'must be a URL'],
    ['- { kind: chat, connection: nobody, conversation: "c2c:A" }', 'alerts.sinks[0].connection', 'is not the id'],
    [
      '- { kind: chat, connection: qq-main, conversation: "c2c:A" }\n    - { kind: chat, connection: qq-main, conversation: "c2c:A" }',
      'alerts.sinks[1].kind',
      'the same place',
    ],
  ])('%s is refused, naming the key', (sink, key, problem) => {
    const problems = problemsOf(() => load(`${QQ}\nalerts:\n  sinks:\n    ${sink}\n`));
    expect(problems).toHaveLength(1);
    expect(problems[0]).toMatch(new RegExp(`^${key.replace(/[[\]]/g, '\\$&')}: .*${problem}`));
  });

  it('warn of a webhook that is not encrypted', () => {
    const text = `${QQ}\nalerts: { sinks: [{ kind: webhook, url: "http://10.0.0.1/x", secret: key-of-a-hook }] }\n`;
    expect(load(text).warnings).toEqual([expect.stringContaining('alerts.sinks[0].url')]);
  });
});
