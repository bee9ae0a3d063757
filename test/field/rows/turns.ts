/** Answers that would flood a chat, and turns whose agent, process or loop is in trouble: others are answered meanwhile. */
import { expect } from 'vitest';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { askQq, askTelegram, type Scene } from '../stage.ts';

/** What the bot has said in a private chat of Telegram, once it has said all. */
async function saidInAll(telegram: Scene['telegram'], user: number, parts: number): Promise<readonly string[]> {
  const seen = () => telegram.bot().delivered(user);
  await waitUntil(`${parts} parts for ${user}`, () => seen().length >= parts, { timeoutMs: 60_000 });
  return seen().map(({ text }) => text ?? '');
}

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
        const replies = Array.from({ length: 5_000 }, (__, n) => ({ text: `reply ${n}` }));
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
