/**
 * Judges of the emulator: published clients that we did not write. If they can connect, hear, answer and resume here as
 * they do on the real platform, the emulator is no mere mirror of our own reading of the documents.
 */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { describe, expect, it } from 'vitest';
import { type QqEmulator, type Said, startQq } from '../emulators/qq/index.ts';

const scripts = fileURLToPath(new URL('../support/foreign-clients/', import.meta.url));
/** Loading a foreign client takes seconds on a busy machine; after that everything is local. */
const patience = { timeoutMs: 20_000 };

/** Runs one echo bot against the emulator; disposing kills it. */
function run(script: string, qq: QqEmulator): AsyncDisposable & { output(): string } {
  const child = execa('node', ['--import', 'tsx', '--import', `${scripts}redirect.ts`, `${scripts}${script}.ts`], {
    env: { EMULATOR_API: qq.apiBaseUrl, APP_ID: qq.appId, CLIENT_SECRET: qq.clientSecret },
    all: true,
    reject: false,
  });
  let output = '';
  child.all.on('data', (chunk: Buffer) => {
    output += chunk.toString();
  });
  return {
    output: () => output,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL');
      await child;
    },
  };
}

async function connected(qq: QqEmulator): Promise<string> {
  const { sessionId } = await qq.journal.waitForKind('identify', (entry) => entry.outcome === 'accepted', patience);
  return sessionId ?? '';
}

async function answered(qq: QqEmulator, said: Said): Promise<string[]> {
  await qq.journal.waitUntil(() => qq.journal.repliesTo(said.messageId).length > 0, patience);
  return qq.journal.repliesTo(said.messageId).map(({ text }) => text);
}

/**
 * One message heard and answered; close 4009; one more message while no socket is attached, which only a Resume can
 * bring; the answer to it.
 */
async function hearAndResume(qq: QqEmulator, say: (text: string) => Said): Promise<void> {
  const sessionId = await connected(qq);
  expect(await answered(qq, say('one'))).toEqual(['echo: one']);
  expect(qq.faults.close(4009)).toBe(1);
  const inTheGap = say('two');
  expect(inTheGap.copies).toMatchObject([{ sessionId, sent: false }]);
  expect(await answered(qq, inTheGap)).toEqual(['echo: two']);
  expect(qq.journal.of('resume')[0]).toMatchObject({ sessionId, seq: 2, outcome: 'accepted', replayed: 1 });
  expect(qq.journal.count('identify')).toBe(1);
}

describe('published QQ clients against the emulator', () => {
  it('@satorijs/adapter-qq connects, answers, and resumes after close 4009 without losing a message', async () => {
    await using qq = await startQq();
    await using client = run('satori', qq);
    await hearAndResume(qq, (text) => qq.user('ALICE').say(text));
    const inGroup = qq.group('CREW').atBot('BOB', 'three');
    // The platform leaves the blank after the bot's name in place, and this client does not trim it.
    expect(await answered(qq, inGroup)).toEqual(['echo:  three']);
    expect(qq.liveSockets()).toBe(1);
    expect(client.output()).toContain('heard two');
  });

  it('qq-official-bot does the same, and by a bug of its own dials twice after the close', async () => {
    await using qq = await startQq({ identifyLimit: { maxConcurrency: 10 } });
    await using client = run('qq-official-bot', qq);
    await hearAndResume(qq, (text) => qq.user('ALICE').say(text));
    // Its receiver and its connection manager both reconnect on close 4009.
    await qq.journal.waitUntil(() => qq.journal.count('dial') >= 3, patience);
    expect(client.output()).toContain('heard two');
  });

  it('qq-guild-bot connects under the old token scheme only, answers a channel message, and resumes', async () => {
    await using qq = await startQq({ allowOldBotToken: true });
    await using client = run('qq-guild-bot', qq);
    const mention = /<@!\d+> /;
    const sessionId = await connected(qq);
    const [one] = await answered(qq, qq.channel('1', '2').atBot('3', 'one'));
    expect(one?.replace(mention, '')).toBe('echo: one');
    // Until it has seen a heartbeat ACK it forgets its session on a close.
    await qq.journal.waitForKind('heartbeat', () => true, patience);
    expect(qq.faults.close(4009)).toBe(1);
    // The platform takes guild messages from connected bots only, so this answer also proves the new socket.
    const [two] = await answered(qq, qq.channel('1', '2').atBot('3', 'two'));
    expect(two?.replace(mention, '')).toBe('echo: two');
    expect(qq.journal.of('resume')[0]).toMatchObject({ sessionId, outcome: 'accepted', replayed: 1 });
    expect(client.output()).toContain('two');
  });

  it('qq-guild-bot is refused where the old token scheme is switched off, as on the real platform', async () => {
    await using qq = await startQq();
    await using client = run('qq-guild-bot', qq);
    const refusal = await qq.journal.waitForKind('http', (entry) => entry.path === '/gateway/bot', patience);
    expect(refusal).toMatchObject({ status: 401, code: 11245 });
    expect(qq.journal.count('dial')).toBe(0);
    expect(client.output()).not.toContain('heard');
  });
});
