/** The real thing end to end: four kinds of chats, and an agent behind HTTP. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { type Installation, install, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { type OpenAiServer, startOpenAiServer } from '../support/openai-server.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const API_KEY = 'sk-planted-agent-key-0123456789';
const CLIENT_SECRET = 'planted-client-secret-0123456789';

/** How holdfast.yaml names a variable. */
const reference = (name: string) => `$\{${name}}`;

describe('an OpenAI-compatible agent behind `up`', () => {
  let qq: QqEmulator;
  let agent: OpenAiServer;
  let installation: Installation;
  let up: ServedProcess;

  beforeAll(async () => {
    qq = await startQq({ heartbeatIntervalMs: 1_000, clientSecret: CLIENT_SECRET });
    agent = await startOpenAiServer((text) => `you said: ${text}`);
    installation = await install({
      connections: [qqConnection(qq, 'qq-main', qq, { clientSecret: reference('PLANTED_CLIENT_SECRET') })],
      timings: { ...SCALED_TIMINGS, drainMs: 1_500 },
      agent: {
        kind: 'openai',
        url: agent.url,
        apiKey: reference('PLANTED_AGENT_KEY'),
        model: 'test-model',
        historyMessages: 4,
      },
      env: { PLANTED_AGENT_KEY: API_KEY, PLANTED_CLIENT_SECRET: CLIENT_SECRET },
    });
    up = await installation.up();
    await installation.live();
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await agent?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  async function replyTo(messageId: string) {
    await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: 15_000 });
    return qq.journal.repliesTo(messageId);
  }

  it('answers private chats, groups, guild channels and guild direct messages, each where it was asked', async () => {
    const said = [
      qq.user('ALICE').say('hello in private'),
      qq.group('GROUP').atBot('BOB', 'hello in the group'),
      qq.group('FULL-GROUP').mention('BOB', 'hello in a group that tells us everything'),
      qq.channel('GUILD', 'CHANNEL').atBot('CAROL', 'hello in the channel'),
      qq.dm('GUILD-DM').say('DAVE', 'hello by direct message'),
    ];
    const replies = await Promise.all(said.map(({ messageId }) => replyTo(messageId)));
    expect(replies.map((each) => each.map(({ text, chat }) => [chat.scene, chat.id, text]))).toEqual([
      [['c2c', 'ALICE', 'you said: hello in private']],
      [['group', 'GROUP', 'you said: hello in the group']],
      [['group', 'FULL-GROUP', 'you said: hello in a group that tells us everything']],
      [['channel', 'CHANNEL', 'you said: hello in the channel']],
      [['dm', 'GUILD-DM', 'you said: hello by direct message']],
    ]);
    for (const call of agent.calls) {
      expect(call).toMatchObject({ authorization: `Bearer ${API_KEY}`, model: 'test-model' });
    }
    expect(new Set(agent.calls.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(said.length);
  });

  it('asks again with the same idempotency key when the agent stumbles, and the user sees one answer', async () => {
    const mark = agent.calls.length;
    agent.failNext.push(500, 429, 503);
    const { messageId } = qq.user('ERIN').say('a hard question');
    expect((await replyTo(messageId)).map(({ text }) => text)).toEqual(['you said: a hard question']);
    const keys = agent.calls.slice(mark).map(({ idempotencyKey }) => idempotencyKey);
    expect(keys).toHaveLength(4);
    expect(new Set(keys).size).toBe(1);
  });

  it('may think for a while: the connection beats on and stays live, and other chats are answered (F07, F09)', async () => {
    let speak: (value?: unknown) => void = () => undefined;
    agent.holdNext.push(
      new Promise((resolve) => {
        speak = resolve;
      }),
    );
    const mark = qq.journal.mark();
    const slow = qq.user('FRANK').say('think about this');
    const states = new Set<string>();
    await waitUntil(
      'three more heartbeats',
      async () => {
        states.add((await installation.connection()).state);
        return qq.journal.of('heartbeat', ({ acked }) => acked, mark).length >= 3;
      },
      { everyMs: 100 },
    );
    await replyTo(qq.user('GRACE').say('and meanwhile?').messageId);
    expect([...states]).toEqual(['live']);
    expect(qq.journal.repliesTo(slow.messageId)).toEqual([]);
    speak();
    expect((await replyTo(slow.messageId)).map(({ text }) => text)).toEqual(['you said: think about this']);
    expect(qq.journal.of('dial', undefined, mark)).toEqual([]);
  });

  it('still thinks when SIGTERM comes: gone in time with 0, and the same turn is asked again after the restart (F34)', async () => {
    const mark = agent.calls.length;
    agent.holdNext.push(new Promise(() => undefined));
    const said = qq.user('HEIDI').say('a question at the wrong moment');
    await waitUntil('the agent to be asked', () => agent.calls.length > mark);
    const exit = await up.stop();
    expect(exit).toMatchObject({ code: 0, signal: null });
    expect(exit.afterMs).toBeLessThan(10_000);

    up = await installation.up();
    expect(await replyTo(said.messageId)).toHaveLength(1);
    const keys = agent.calls.slice(mark).map(({ idempotencyKey }) => idempotencyKey);
    expect(keys.length).toBeGreaterThanOrEqual(2);
    expect(new Set(keys).size).toBe(1);
  });
});
