/** Answers that would flood a chat, and turns whose agent, process or loop is in trouble: others are answered meanwhile. */
import { once } from 'node:events';
import { expect } from 'vitest';
import { WebSocket } from 'ws';
import { SCALED_TIMINGS } from '../../support/installation.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { answerWith } from '../scripted-agent.ts';
import { askQq, askTelegram, type Scene } from '../stage.ts';

/** What the bot has said in a private chat of Telegram, once it has said all. */
async function saidInAll(telegram: Scene['telegram'], user: number, parts: number): Promise<readonly string[]> {
  const seen = () => telegram.bot().delivered(user);
  await waitUntil(`${parts} parts for ${user}`, () => seen().length >= parts, { timeoutMs: 60_000 });
  return seen().map(({ text }) => text ?? '');
}

/** Job locks end soon, so that what a death leaves comes back soon. */
const QUICK = { ...SCALED_TIMINGS, turnLockMs: 2_000 };

const FENCE = /^[\s>]*(?:`{3,}|~{3,})/;
const isBalanced = (part: string) => part.split('\n').filter((line) => FENCE.test(line)).length % 2 === 0;

replay('answers that are split', [
  {
    id: 'H2',
    must: 'answer a code fence with a first line of nearly a message in a few parts, and the next message after it',
    async run(stage) {
      const { qq, agent } = await stage.echoing({ agent: 'webhook', on: ['qq'] });
      const asked = qq.user('ALICE').say('repeat');
      agent.say(`x\n\`\`\`${'a'.repeat(1_985)}\n${'b'.repeat(2_000)}`);
      const parts = () => qq.journal.repliesTo(asked.messageId).map(({ text }) => text);
      await qq.journal.waitUntil(() => parts().join('').includes('b'.repeat(1_000)), { timeoutMs: 20_000 });
      expect(await askQq(qq, 'ALICE', 'and now?')).toEqual(['echo: and now?']);
      expect(parts().length).toBeLessThanOrEqual(4);
      for (const part of parts()) expect(isBalanced(part)).toBe(true);
      expect(parts().join('').replaceAll(/[^ab]/g, '')).toHaveLength(3_985);
    },
  },
  {
    id: 'H2b',
    must: 'cut an answer of 950 KB to the parts it may have, say so, and go on at once',
    async run(stage) {
      const { telegram, agent, up, installation } = await stage.echoing({
        agent: 'webhook',
        on: ['telegram'],
        agentExtra: { maxReplyParts: 4 },
      });
      agent.say(`\`\`\`${'a'.repeat(2_000)}\n${'b '.repeat(475_000)}`);
      telegram.bot().say(5, 'a lot, please');
      const said = await saidInAll(telegram, 5, 4);
      expect(said.at(-1)).toMatch(/… answer cut: \d+ of 952004 characters$/);
      expect(await askTelegram(telegram, 6, 'still there?')).toEqual(['echo: still there?']);
      expect(telegram.bot().delivered(5)).toHaveLength(4);
      expect(up.lines.filter(({ event }) => event === 'turn.answer-cut')).toMatchObject([{ of: 952_004 }]);
      expect((await installation.connection('tg-main')).state).toBe('live');
    },
  },
  {
    id: 'H2c',
    must: 'bound all replies of a turn together, and a pushed message likewise',
    async run(stage) {
      const { telegram, agent, installation } = await stage.echoing({
        agent: 'webhook',
        on: ['telegram'],
        agentExtra: { maxReplyParts: 3 },
        telegramExtra: { maxReplyChars: 200 },
      });
      agent.next((_, response) => {
        const replies = Array.from({ length: 900 }, (__, n) => ({ text: `reply ${n}` }));
        response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ replies }));
      });
      telegram.bot().say(5, 'many, please');
      const said = await saidInAll(telegram, 5, 3);
      expect(said.slice(0, 2)).toEqual(['reply 0', 'reply 1']);
      expect(said[2]).toMatch(/^reply 2\n\n… answer cut: 21 of \d+ characters$/);
      const sent = await installation.run(['messages', 'send', 'tg-main', 'chat:5', 'word '.repeat(2_000)]);
      expect(sent).toMatchObject({ code: 0 });
      expect((await saidInAll(telegram, 5, 6)).at(-1)).toMatch(/… answer cut: \d+ of \d+ characters$/);
      expect(await askTelegram(telegram, 5, 'done?')).toEqual(['echo: done?']);
      expect(telegram.bot().delivered(5)).toHaveLength(7);
    },
  },
  {
    id: 'G08',
    must: 'send 7 KB of JSON behind a fence on Telegram in three parts at most',
    async run(stage) {
      const { telegram, agent } = await stage.echoing({ agent: 'openai', on: ['telegram'] });
      agent.say(`\`\`\`{"a":[${'"x",'.repeat(1_600)}"x"]}${'\nmore text\n'.repeat(50)}\`\`\``);
      expect((await askTelegram(telegram, 5, 'as JSON')).length).toBeGreaterThan(0);
      expect(await askTelegram(telegram, 6, 'next')).toEqual(['echo: next']);
      await saidInAll(telegram, 5, 2);
      expect(telegram.bot().delivered(5).length).toBeLessThanOrEqual(3);
    },
  },
  {
    id: 'G08b',
    must: 'send an answer that begins with 3000 tildes on QQ in a few parts',
    async run(stage) {
      const { qq, agent } = await stage.echoing({ agent: 'openai', on: ['qq'] });
      const asked = qq.user('BOB').say('tildes');
      agent.say(`${'~'.repeat(3_000)}\n${'word '.repeat(600)}end.`);
      const parts = () => qq.journal.repliesTo(asked.messageId).map(({ text }) => text);
      await qq.journal.waitUntil(() => parts().join('').includes('end.'), { timeoutMs: 20_000 });
      expect(await askQq(qq, 'BOB', 'and?')).toEqual(['echo: and?']);
      expect(parts().length).toBeLessThanOrEqual(8);
      for (const part of parts()) expect(isBalanced(part)).toBe(true);
    },
  },
]);

/** The process that asks the agent, as it says itself. */
function agentPid(up: Scene['up']): number {
  const line = up.lines.findLast(({ event, roles }) => event === 'child-ready' && String(roles) === 'agent');
  return Number(line?.pid);
}

const deaths = (up: Scene['up']) => up.lines.filter(({ event }) => event === 'child-died').length;

/** Kills the process that asks the agent, and waits until another does. */
async function killAgent(up: Scene['up']): Promise<void> {
  const pid = agentPid(up);
  process.kill(pid, 'SIGKILL');
  await waitUntil('another process for the agent', () => agentPid(up) !== pid, { timeoutMs: 30_000 });
}

/** Blocks the event loop of a process as a long computation does, through its debugger. */
async function blockLoop(up: Scene['up'], pid: number, ms: number): Promise<void> {
  process.kill(pid, 'SIGUSR1');
  const address = () => /ws:\/\/127\.0\.0\.1:\d+\/[\w-]+/.exec(up.tail())?.[0];
  await waitUntil('the debugger', () => address() !== undefined);
  const debug = new WebSocket(address() ?? '');
  await once(debug, 'open');
  const expression = `for (const from = Date.now(); Date.now() - from < ${ms}; );`;
  debug.send(JSON.stringify({ id: 1, method: 'Runtime.evaluate', params: { expression } }));
  await once(debug, 'message');
  debug.terminate();
}

/** Answers nothing about `about`, and echoes everything else. */
function hanging(agent: Scene['agent'], about: string): { readonly asked: () => number } {
  agent.always((call, response) => {
    if (call.text !== about) answerWith(`echo: ${call.text}`, call, response);
  });
  return { asked: () => agent.calls.filter(({ text }) => text === about).length };
}

replay('what an agent is told', [
  {
    id: 'G02',
    must: 'go on with a chat after a photo without words, whose blank text the agent refuses ever after',
    async run(stage) {
      const { telegram, agent } = await stage.echoing({ agent: 'openai', on: ['telegram'] });
      agent.always((asked, response) => {
        const messages = asked.body.messages as readonly { content: string }[];
        if (messages.every(({ content }) => content.trim() !== '')) return answerWith('I see', asked, response);
        const error = { message: 'messages.0: text content blocks must be non-empty' };
        response.writeHead(400, { 'content-type': 'application/json' }).end(JSON.stringify({ error }));
      });
      const photo = [{ file_id: 'AgACx', file_unique_id: 'u', width: 90, height: 90 }];
      telegram.bot().say(5, '', { extra: { photo, text: undefined } });
      expect(await askTelegram(telegram, 5, 'and what is this?')).toContain('I see');
      await waitUntil('both to be asked', () => agent.calls.length >= 2);
      expect(await askTelegram(telegram, 5, 'and now?')).toEqual(['I see']);
    },
  },
]);

replay('a process that asks the agent', [
  {
    id: 'H2d',
    must: 'put a turn aside whose process died at each of its three starts, and answer what came after it in its chat',
    timeoutMs: 150_000,
    async run(stage) {
      const { telegram, agent, up, installation } = await stage.echoing({
        agent: 'webhook',
        on: ['telegram'],
        rest: { timings: QUICK },
      });
      const poison = hanging(agent, 'poison');
      telegram.bot().say(5, 'poison');
      telegram.bot().say(5, 'and the weather?');
      for (let starts = 1; starts <= 3; starts += 1) {
        await waitUntil(`start ${starts}`, () => poison.asked() === starts, { timeoutMs: 40_000 });
        await killAgent(up);
        expect(await askTelegram(telegram, 6, `after death ${starts}`)).toEqual([`echo: after death ${starts}`]);
      }
      await waitUntil('the next message', () => telegram.bot().delivered(5).length > 0, { timeoutMs: 40_000 });
      expect(
        telegram
          .bot()
          .delivered(5)
          .map(({ text }) => text),
      ).toEqual(['echo: and the weather?']);
      expect(poison.asked()).toBe(3);
      const told = up.lines.find(({ event }) => event === 'turn.dead-letter');
      expect(told).toMatchObject({ level: 'error', code: 'TURN_CRASHED' });
      const letters = JSON.parse((await installation.run(['messages', 'dead', '--json'])).stdout);
      expect(letters).toMatchObject([{ outcome: 'crashed', code: 'TURN_CRASHED', text: 'poison' }]);
    },
  },
  {
    id: 'H3-stall',
    must: 'go on with its turns when its loop was blocked for longer than their locks, and ask the agent about each once',
    timeoutMs: 120_000,
    async run(stage) {
      const { telegram, agent, up, installation } = await stage.echoing({
        agent: 'webhook',
        on: ['telegram'],
        rest: { timings: QUICK, env: { NODE_OPTIONS: '--inspect-port=0' } },
      });
      agent.always(async (call, response) => {
        if (call.text.startsWith('slow')) await new Promise((resolve) => setTimeout(resolve, 8_000));
        answerWith(`echo: ${call.text}`, call, response);
      });
      const slow = Array.from({ length: 6 }, (_, n) => `slow ${n}`);
      for (const [n, text] of slow.entries()) telegram.bot().say(10 + n, text);
      await waitUntil('all are asked', () => agent.calls.length >= slow.length);
      // Another one that would take the turns over.
      await installation.worker('agent');
      await blockLoop(up, agentPid(up), 7_000);
      for (const [n, text] of slow.entries()) {
        const said = () =>
          telegram
            .bot()
            .delivered(10 + n)
            .map((each) => each.text);
        await waitUntil(`an answer to ${text}`, () => said().length > 0, { timeoutMs: 30_000 });
        expect(said()).toEqual([`echo: ${text}`]);
      }
      expect(agent.calls.map(({ text }) => text).sort()).toEqual(slow);
      expect(up.lines.some(({ event }) => event === 'lane.lock-lost')).toBe(true);
      expect(JSON.parse((await installation.run(['messages', 'dead', '--json'])).stdout)).toEqual([]);
    },
  },
  {
    id: 'H3-judge',
    must: 'not keep scheduler, pages and connections from their work while it stands still',
    async run(stage) {
      const { qq, up, installation } = await stage.echoing({
        agent: 'webhook',
        rest: { timings: QUICK, http: { port: 0 } },
      });
      const web = String(up.lines.find(({ event }) => event === 'web')?.url);
      process.kill(agentPid(up), 'SIGSTOP');
      const asked = qq.user('ALICE').say('while it stands still');
      for (let look = 0; look < 10; look += 1) {
        const startedAt = performance.now();
        expect((await fetch(`${web}/healthz`)).status).toBe(200);
        expect(performance.now() - startedAt).toBeLessThan(5_000);
        await new Promise((resolve) => setTimeout(resolve, 300));
      }
      expect((await installation.connection('qq-main')).state).toBe('live');
      expect((await installation.connection('tg-main')).state).toBe('live');
      expect(up.lines.filter(({ event }) => event === 'sweep-failed')).toEqual([]);
      process.kill(agentPid(up), 'SIGCONT');
      await qq.journal.waitUntil(() => qq.journal.repliesTo(asked.messageId).length > 0, { timeoutMs: 20_000 });
      expect(qq.journal.repliesTo(asked.messageId).map(({ text }) => text)).toEqual(['echo: while it stands still']);
    },
  },
  {
    id: 'H3-drain',
    must: 'leave with `up`, in time, also while the agent hangs; the turn is taken up again, and is no crash',
    async run(stage) {
      const { telegram, agent, up, installation } = await stage.echoing({ agent: 'webhook', on: ['telegram'] });
      const hang = hanging(agent, 'hang');
      telegram.bot().say(5, 'hang');
      await waitUntil('it is asked', () => hang.asked() === 1);
      const pid = agentPid(up);
      const startedAt = performance.now();
      await up.stop();
      expect(performance.now() - startedAt).toBeLessThan(12_000);
      expect(() => process.kill(pid, 0)).toThrow('ESRCH');
      expect(deaths(up)).toBe(0);
      agent.always(undefined);
      await installation.up();
      await waitUntil('an answer', () => telegram.bot().delivered(5).length > 0, { timeoutMs: 30_000 });
      expect(
        telegram
          .bot()
          .delivered(5)
          .map(({ text }) => text),
      ).toEqual(['echo: hang']);
    },
  },
]);
