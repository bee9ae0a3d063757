/** What platforms do to sends, and which of what they deliver is meant for the bot. */
import { setTimeout as delay } from 'node:timers/promises';
import { expect } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { laneId } from '../../../src/state/keys.ts';
import type { TelegramEmulator } from '../../emulators/telegram/index.ts';
import type { Installation } from '../../support/installation.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { answerWith } from '../scripted-agent.ts';
import { askQq, askTelegram, PATIENCE_MS } from '../stage.ts';

const patience = { timeoutMs: PATIENCE_MS };
const README = 'Put it into README.md and run install.sh, see https://example.com/docs';

interface Letter {
  readonly outcome: string;
  readonly code: string;
  readonly text: string;
}

async function letters(installation: Installation, count: number): Promise<readonly Letter[]> {
  let found: readonly Letter[] = [];
  const read = async () => {
    const { stdout } = await installation.run(['messages', 'dead', '--json']);
    found = JSON.parse(stdout) as Letter[];
    return found.length >= count;
  };
  await waitUntil(`${count} dead letters`, read, patience);
  return found;
}

function sends(telegram: TelegramEmulator, chat: number) {
  return telegram.journal
    .of('call', ({ method, args }) => method === 'sendmessage' && args.chat_id === String(chat))
    .map(({ args }) => args);
}

const textsTo = (telegram: TelegramEmulator, chat: number) =>
  telegram
    .bot()
    .delivered(chat)
    .map(({ text }) => text);

replay('what platforms do to sends', [
  {
    id: 'G06',
    must: 'send an answer that was refused for its links once more without them, and under a number of its own',
    async run(stage) {
      const { qq, agent, installation } = await stage.echoing({
        on: ['qq'],
        agent: 'webhook',
        qqPlatform: { urls: 'refused', refusedConsumesSeq: true },
      });
      agent.say(README);
      expect(await askQq(qq, 'ALICE', 'how?')).toEqual([
        'Put it into README．md and run install．sh, see https://example．com/docs',
      ]);
      const { messageId } = qq.group('G1').atBot('BOB', 'what is at http://localhost:3000/ ?');
      await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, patience);
      expect(qq.journal.repliesTo(messageId).map(({ text }) => text)).toEqual([
        'echo: what is at http：//localhost:3000/ ?',
      ]);
      expect(await letters(installation, 0)).toEqual([]);
    },
  },
  {
    id: 'G06b',
    must: 'tell the person once when nothing of an answer can be shown, keep it, and go on in order with what can',
    async run(stage) {
      const { qq, agent, installation } = await stage.echoing({
        on: ['qq'],
        agent: 'webhook',
        qqExtra: { maxReplyChars: 100 },
      });
      qq.faults.sendError(40034006, { chatId: 'ALICE', times: 2 });
      agent.say(`坏 https://bad.example/${'x'.repeat(76)}\n\n好的`);
      const { messageId } = qq.user('ALICE').say('问题');
      await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length === 2, patience);
      expect(qq.journal.repliesTo(messageId).map(({ text }) => text)).toEqual([
        '这条回复的内容被平台拒绝，未能发出。',
        '好的',
      ]);
      const [letter] = await letters(installation, 1);
      expect(letter).toMatchObject({ outcome: 'rejected', code: '40034006' });
      expect(letter?.text).toContain('https://bad.example/');

      qq.faults.sendError(1100101, { chatId: 'BOB', times: 1 });
      expect(await askQq(qq, 'BOB', 'hm')).toEqual([
        'This answer could not be delivered: the platform refused what it says.',
      ]);
      expect(await letters(installation, 2)).toHaveLength(2);
    },
  },
  {
    id: 'G11',
    must: 'send once what a gateway answered with 502, 503 or 504 in the form of the API, and keep it for a person',
    async run(stage) {
      const { telegram, installation } = await stage.echoing({ on: ['telegram'] });
      for (const [index, status] of [502, 503, 504].entries()) {
        telegram.faults.gateway({ method: 'sendMessage', chatId: 10 + index, status, times: 1 });
        telegram.bot().say(10 + index, 'once');
      }
      const found = await letters(installation, 3);
      expect(found.map(({ outcome, code }) => `${outcome} ${code}`).sort()).toEqual([
        'unknown 502',
        'unknown 503',
        'unknown 504',
      ]);
      for (const chat of [10, 11, 12]) expect(sends(telegram, chat)).toHaveLength(1);
      // The server's own refusals were not done, and are repeated.
      telegram.faults.refuse({ code: 500, description: 'Internal Server Error: restart' }, { chatId: 13, times: 1 });
      expect(await askTelegram(telegram, 13, 'again')).toEqual(['echo: again']);
    },
  },
  {
    id: 'G11b',
    must: 'repeat on QQ, after a gateway error, what has a key, and nothing else',
    async run(stage) {
      const { qq, installation } = await stage.echoing({ on: ['qq'] });
      for (const status of [502, 504]) {
        qq.faults.sendFail({ status, delivered: true, times: 1, scene: 'c2c' });
        expect(await askQq(qq, `USER${status}`, 'once')).toEqual(['echo: once']);
      }
      qq.faults.sendFail({ status: 502, delivered: true, times: 1, scene: 'channel' });
      const { messageId } = qq.channel('GUILD', '100').atBot('300', 'once');
      const [letter] = await letters(installation, 1);
      expect(letter).toMatchObject({ outcome: 'unknown' });
      expect(qq.journal.repliesTo(messageId)).toHaveLength(1);
    },
  },
  {
    id: 'G14',
    must: 'show an answer outside of its topic when that was deleted while the agent worked',
    async run(stage) {
      const { telegram, agent, installation } = await stage.echoing({ on: ['telegram'], agent: 'webhook' });
      const forum = telegram.bot().supergroup(-100_123, { isForum: true });
      const thread = forum.topic('plans');
      agent.next((asked, response) => {
        forum.deleteTopic(thread);
        answerWith('the answer', asked, response);
      });
      forum.say(`@${telegram.bot().username} hi`, { thread });
      await waitUntil('the answer', () => textsTo(telegram, -100_123).length > 0, patience);
      expect(telegram.bot().delivered(-100_123)).toEqual([
        expect.objectContaining({ text: 'the answer', thread: null, replyTo: null }),
      ]);
      // What is closed, and a quoted message that is gone, are the same; each way out is taken once.
      const group = telegram.bot().supergroup(-100_124);
      for (const description of ['Bad Request: TOPIC_CLOSED', 'Bad Request: message to be replied not found']) {
        telegram.faults.refuse({ code: 400, description }, { method: 'sendMessage', chatId: -100_124, times: 1 });
        const before = textsTo(telegram, -100_124).length;
        group.say(`@${telegram.bot().username} hi`);
        await waitUntil('an answer', () => textsTo(telegram, -100_124).length > before, patience);
      }
      expect(sends(telegram, -100_124)).toHaveLength(4);
      expect(await letters(installation, 0)).toEqual([]);
    },
  },
  {
    id: 'G20',
    must: 'keep what an audit refuses afterwards, for a bot that may hear of it, and connect one that may not',
    async run(stage) {
      const { qq, installation, up } = await stage.echoing({ on: ['qq'] });
      expect(qq.journal.of('identify').map(({ intents }) => Number(intents) & (1 << 27))).toEqual([1 << 27]);
      qq.faults.sendAudit({ outcome: 'reject', times: 1 });
      qq.channel('GUILD', '100').atBot('300', 'please judge this');
      const [letter] = await letters(installation, 1);
      expect(letter).toMatchObject({ outcome: 'rejected', code: 'AUDIT', text: 'echo: please judge this' });
      expect(up.lines.filter(({ event, code }) => event === 'dead-letter' && code === 'AUDIT')).toHaveLength(1);
      qq.faults.sendAudit({ outcome: 'pass', times: 1 });
      qq.channel('GUILD', '100').atBot('300', 'and this');
      await waitUntil('the message', () => qq.journal.delivered().length === 1, patience);
      expect(await letters(installation, 1)).toHaveLength(1);
      const { client, keys } = await installation.reader();
      const counted = await client.hgetall(keys.connection(connectionId('qq-main')).counters);
      expect(counted).toMatchObject({ auditsPending: '2', auditsRejected: '1', deadLetters: '1' });

      const plain = await stage.echoing({ on: ['qq'], qqPlatform: { grantedIntents: 1_174_409_216 } });
      expect(await askQq(plain.qq, 'ALICE', 'hello')).toEqual(['echo: hello']);
    },
  },
  {
    id: 'G21',
    must: 'let the other groups be answered while one is over its limit, and the bot wait only when others are, too',
    async run(stage) {
      const { qq } = await stage.echoing({ on: ['qq'] });
      const bad = qq.faults.sendError(22009, { chatId: 'GBAD' });
      qq.group('GBAD').atBot('M', 'hi');
      await waitUntil('a refusal', () => bad.hits > 0, patience);
      for (let index = 0; index < 12; index += 1) {
        const startedAt = Date.now();
        const { messageId } = qq.group(`G${index}`).atBot('M', 'hi');
        await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length === 1, patience);
        expect(Date.now() - startedAt, `group ${index}`).toBeLessThan(1_500);
      }
      bad.clear();
      const all = qq.faults.sendError(22009, { scene: 'group' });
      for (let index = 0; index < 30; index += 1) qq.group(`H${index}`).atBot('M', 'hi');
      await delay(3_000);
      // Each of 30 would have been refused some four times.
      expect(all.hits).toBeLessThan(60);
      all.clear();
      await waitUntil(
        'all answers',
        () => qq.journal.delivered().filter(({ chat }) => chat.id.startsWith('H')).length === 30,
        { timeoutMs: 40_000 },
      );
    },
  },
  {
    id: 'G28',
    must: 'hold one chat as long as the platform says, show it, and answer the others meanwhile',
    async run(stage) {
      const { telegram, installation, up } = await stage.echoing({ on: ['telegram'] });
      const limit = telegram.faults.tooMany({ method: 'sendMessage', chatId: 11, retryAfterS: 3_600, times: 1 });
      telegram.bot().say(11, 'first');
      telegram.bot().say(11, 'second');
      await waitUntil('the refusal', () => limit.hits === 1, patience);
      expect(await askTelegram(telegram, 12, 'and I?')).toEqual(['echo: and I?']);
      const id = connectionId('tg-main');
      const heldForMs = async () => {
        const { client, keys } = await installation.reader();
        const state = keys.connection(id).outboxState(laneId(id, 'chat:11'));
        const [until, by] = await client.hmget(state, 'heldUntil', 'heldBy');
        expect(by).toMatch(/^(retry|pause)$/);
        return Number(until) - Date.now();
      };
      expect(await heldForMs()).toBeGreaterThan(3_500_000);
      // It outlives the process.
      await up.stop();
      await installation.up();
      await installation.live('tg-main', PATIENCE_MS);
      telegram.bot().say(11, 'third');
      expect(await askTelegram(telegram, 12, 'still?')).toEqual(['echo: still?']);
      expect(limit.hits).toBe(1);
      expect(sends(telegram, 11)).toHaveLength(1);
      expect(await heldForMs()).toBeGreaterThan(3_500_000);
    },
  },
  {
    id: 'G29',
    must: 'send nothing that nobody can see, and go on',
    async run(stage) {
      const { telegram, agent, installation } = await stage.echoing({ on: ['telegram'], agent: 'webhook' });
      for (const blank of ['\u200b', '\u2060 \ufeff', '\u3164\n', '\u2800']) agent.say(blank);
      for (let index = 0; index < 4; index += 1) telegram.bot().say(5, `say nothing ${index}`);
      expect(await askTelegram(telegram, 5, 'hello')).toEqual(['echo: hello']);
      expect(sends(telegram, 5)).toHaveLength(1);
      expect(await letters(installation, 0)).toEqual([]);
    },
  },
  {
    id: 'G33',
    must: 'let no half of a surrogate pair leave, nor come in',
    async run(stage) {
      const { telegram, qq, agent } = await stage.echoing({ agent: 'webhook' });
      agent.next((_, response) => {
        response.writeHead(200, { 'content-type': 'application/json' }).end('{"text":"bad \\ud83d surrogate"}');
      });
      expect(await askTelegram(telegram, 5, 'hi')).toEqual(['bad \ufffd surrogate']);
      expect(await askQq(qq, 'ALICE', 'half \udc00 of one')).toEqual(['echo: half \ufffd of one']);
    },
  },
  {
    id: 'guild-escapes',
    must: 'mention nobody in a guild by accident, and read what people wrote',
    async run(stage) {
      const { qq } = await stage.echoing({ on: ['qq'] });
      const said = [
        qq.channel('GUILD', '100').atBot('300', 'a < b && <@everyone> &lt; <#5>'),
        qq.dm('999').say('300', 'a < b && <@!300>'),
        qq.group('G1').atBot('M', 'a < b && &lt;'),
      ];
      for (const { messageId } of said) {
        await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length === 1, patience);
      }
      expect(said.flatMap(({ messageId }) => qq.journal.repliesTo(messageId).map(({ text }) => text))).toEqual([
        'echo: a < b && <@everyone> &lt; <#5>',
        'echo: a < b && <@!300>',
        'echo: a < b && &lt;',
      ]);
      expect(qq.journal.delivered().flatMap(({ mentions }) => mentions)).toEqual([]);
    },
  },
]);

replay('what is meant for the bot', [
  {
    id: 'G09',
    must: 'answer in a QQ group with full reception only who means the bot, without its raw mention',
    async run(stage) {
      const { qq, agent } = await stage.echoing({ on: ['qq'], agent: 'webhook' });
      const other = { scope: 'single', id: 'M9', member_openid: 'M9', username: '乙', bot: false, is_you: false };
      qq.group('G2').say('M2', '我们晚上吃什么');
      qq.group('G2').say('M2', '<@M9> 你呢', { extra: { mentions: [other] } });
      const meant = qq.group('G2').mention('M2', '你好');
      await qq.journal.waitUntil(() => qq.journal.repliesTo(meant.messageId).length === 1, patience);
      // One message as two events: the first says nothing of us.
      qq.group('G2').say('M2', 'twice', { id: 'TWICE' });
      const twice = qq.group('G2').atBot('M2', 'twice', { id: 'TWICE' });
      await qq.journal.waitUntil(() => qq.journal.repliesTo(twice.messageId).length === 1, patience);
      expect(agent.calls.map(({ text }) => text)).toEqual(['你好', 'twice']);
    },
  },
  {
    id: 'G24',
    must: 'leave commands to other bots, and paths, alone in a group',
    async run(stage) {
      const { telegram, agent } = await stage.echoing({ on: ['telegram'], agent: 'webhook' });
      const bot = telegram.bot();
      const group = bot.supergroup(-100_77);
      group.say('/ban spammer');
      group.say('look into /etc/hosts please');
      group.say('/start@somebody_else_bot');
      group.say(`/HELP@${bot.username.toUpperCase()} me`);
      await waitUntil('an answer', () => textsTo(telegram, -100_77).length === 1, patience);
      bot.user(5).say('/ban spammer');
      await waitUntil('an answer', () => textsTo(telegram, 5).length === 1, patience);
      expect(agent.calls.map(({ text }) => text)).toEqual(['/HELP me', '/ban spammer']);
    },
  },
  {
    id: 'renamed',
    must: 'hear its new name at once after it was renamed, without a restart',
    async run(stage) {
      const { telegram, agent } = await stage.echoing({ on: ['telegram'], agent: 'webhook' });
      const bot = telegram.bot();
      const group = bot.supergroup(-100_78);
      await delay(2_100);
      bot.rename('brand_new_bot');
      group.say('@brand_new_bot hello');
      await waitUntil('an answer', () => textsTo(telegram, -100_78).length === 1, patience);
      group.say('@alice_in_wonderland hello');
      group.say('/help@brand_new_bot');
      await waitUntil('another', () => textsTo(telegram, -100_78).length === 2, patience);
      expect(agent.calls.map(({ text }) => text)).toEqual(['hello', '/help']);
    },
  },
  {
    id: 'L3',
    must: 'let no id out of the path it belongs in',
    async run(stage) {
      const { qq, telegram, installation } = await stage.echoing();
      for (const id of ['..', '.', '../users', 'a/b', 'x'.repeat(300)]) {
        qq.event('C2C_MESSAGE_CREATE', { id: `M-${id}`, content: 'hi', author: { id, user_openid: id } });
        qq.event('GROUP_AT_MESSAGE_CREATE', {
          id: `G-${id}`,
          content: 'hi',
          group_openid: id,
          author: { member_openid: 'M' },
        });
      }
      expect(await askQq(qq, 'ALICE', 'hello')).toEqual(['echo: hello']);
      expect(await askTelegram(telegram, 5, 'hello')).toEqual(['echo: hello']);
      const posted = qq.journal.of('http', ({ method }) => method === 'POST').map(({ path }) => path);
      expect(posted.filter((path) => path.includes('messages'))).toEqual(['/v2/users/ALICE/messages']);
      expect((await installation.connection('qq-main')).counters.malformed).toBe(10);
    },
  },
  {
    id: 'unnumbered',
    must: 'take an event without a sequence number, say so, and resume from where it was',
    async run(stage) {
      const { qq, up } = await stage.echoing({ on: ['qq'] });
      expect(await askQq(qq, 'ALICE', 'one')).toEqual(['echo: one']);
      expect(qq.faults.garbage('unnumbered-event')).toBe(1);
      await waitUntil(
        'the line',
        () => up.lines.some(({ why }) => /C2C_MESSAGE_CREATE has none/.test(String(why))),
        patience,
      );
      expect(await askQq(qq, 'ALICE', 'two')).toEqual(['echo: two']);
      qq.faults.dropSockets({ how: 'rst' });
      expect(await askQq(qq, 'ALICE', 'three')).toEqual(['echo: three']);
      expect(qq.journal.count('identify')).toBe(1);
    },
  },
]);
