/** What comes in: frames and updates that cannot be read, floods, one sender who takes all the room. */
import { expect } from 'vitest';
import { LONG } from '../../support/installation.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { askQq, askTelegram, type Scene, type Stage } from '../stage.ts';

/** What every object has under some name. */
const PROTOTYPE_NAMES = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', '__defineGetter__'];
const DEEP = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
const HUGE_ID = 'x'.repeat(300_000);
const HALF = '\\ud83d';

/** Nothing of ours: a process with little memory, as on a small NAS. */
const SMALL_HEAP = '--max-old-space-size=72';
const ONES = `[${'1,'.repeat(500_000)}1]`;
/** Half a million attachments, none of which is one: what is said of each takes more memory than there is. */
const GREEDY_MESSAGE = `{"id":"greedy","author":{"user_openid":"EVE"},"content":"x","attachments":${ONES}}`;
const GREEDY_UPDATE = `{"message_id":1,"chat":{"id":5,"type":"private"},"text":"greedy","entities":${ONES}}`;

/** Members of a QQ frame that follow its number. */
const QQ_FRAMES: readonly string[] = [
  ...PROTOTYPE_NAMES.map((name) => `"t":"${name}","id":"e-${name}","d":{"content":"x"}`),
  `"t":"C2C_MESSAGE_CREATE","id":"deep","d":{"id":"deep","author":{"user_openid":"EVE"},"content":"x","extra":${DEEP}}`,
  `"t":"FEATURE_OF_TOMORROW","id":"deep2","d":${DEEP}`,
  `"t":"C2C_MESSAGE_CREATE","id":"huge","d":{"id":"${HUGE_ID}","author":{"user_openid":"EVE"},"content":"x"}`,
  `"t":"GROUP_AT_MESSAGE_CREATE","id":"huge2","d":{"id":"g","group_openid":"${HUGE_ID}","author":{"member_openid":"EVE"}}`,
  `"t":"${HUGE_ID}","id":"${HUGE_ID}","d":null`,
  `"t":"C2C_MESSAGE_CREATE","id":"proto","d":{"__proto__":{"id":"p"},"id":"p","author":{"__proto__":1,"user_openid":"EVE"}}`,
  `"t":"C2C_MESSAGE_CREATE","id":"nul","d":{"id":"nul\\u0000","author":{"user_openid":"EVE\\u0000"},"content":"\\u0000"}`,
  `"t":"C2C_MESSAGE_CREATE","id":"half","d":{"id":"half${HALF}","author":{"user_openid":"EVE"},"content":"bad ${HALF} half"}`,
  '"t":["C2C_MESSAGE_CREATE"],"d":{}',
  '"t":7,"d":{}',
  '"t":"C2C_MESSAGE_CREATE","d":"text"',
  '"t":"C2C_MESSAGE_CREATE","d":{"id":7,"author":"me","content":{},"attachments":{"length":1e9}}',
  '"t":"C2C_MESSAGE_CREATE","d":{"id":"when","author":{"user_openid":"EVE"},"timestamp":1e308}',
  '"t":"READY","d":{"session_id":7}',
  '"t":"INTERACTION_CREATE","d":{"id":{},"type":"11"}',
  '"t":"C2C_MESSAGE_CREATE","t":"constructor","d":{},"d":[]',
  '"t":"no json","d":{',
];

/** Members of an update that follow its id. */
const UPDATES: readonly string[] = [
  ...PROTOTYPE_NAMES.map((name) => `"${name}":{"message_id":1}`),
  ...PROTOTYPE_NAMES.map((name) => `"message":{"message_id":1,"chat":{"id":5,"type":"${name}"},"${name}":1}`),
  `"message":{"message_id":2,"chat":{"id":5,"type":"private"},"text":"x","extra":${DEEP}}`,
  `"telepathy":${DEEP}`,
  `"message":{"message_id":3,"chat":{"id":5,"type":"private"},"text":"bad ${HALF} half\\u0000"}`,
  `"callback_query":{"id":"${HUGE_ID}","from":{"id":5},"data":"x","message":{"message_id":1,"chat":{"id":5}}}`,
  '"message":{"message_id":1e308,"chat":{"id":1e308}}',
  '"message":[[]]',
  '"message":null,"message":{"chat":7}',
  '"message":{"message_id":4,"date":-1e308,"chat":{"id":5},"entities":[{"type":"mention","offset":9007199254740991,"length":1}],"text":"a"}',
  '"message":{"message_id":5,"chat":{"id":5',
];

async function answersOnBoth({ qq, telegram, installation }: Scene, told: string): Promise<void> {
  expect(await askQq(qq, 'ALICE', `after ${told}`)).toEqual([`echo: after ${told}`]);
  expect(await askTelegram(telegram, 9, `after ${told}`)).toEqual([`echo: after ${told}`]);
  for (const id of ['qq-main', 'tg-main']) expect((await installation.connection(id)).state).toBe('live');
}

replay('what comes in', [
  {
    id: 'H8',
    must: 'pass over frames and updates with names of every object, depth, huge ids and wrong types, and answer the next message',
    timeoutMs: 120_000,
    async run(stage) {
      const scene = await stage.echoing();
      const { qq, telegram, up } = scene;
      for (const members of QQ_FRAMES) qq.verbatim(members);
      for (const members of UPDATES) expect(telegram.bot().verbatim(members)).not.toBeNull();
      await answersOnBoth(scene, 'the worst');
      await waitUntil('all updates are confirmed', () => telegram.bot().pending().length === 0);
      expect(up.lines.filter(({ event }) => event === 'tenure-ended')).toEqual([]);
      const malformed = await scene.installation.connection('qq-main');
      expect(malformed.counters.malformed).toBeGreaterThan(8);
    },
  },
  ...(['qq', 'telegram'] as const).map((platform) => ({
    id: platform === 'qq' ? 'H8b' : 'H8c',
    must: `set aside an event that kills whoever reads it (${platform}), and answer the message after it`,
    timeoutMs: 150_000,
    cannot:
      platform === 'qq' || LONG ? null : 'half a minute, and the conformance suite shows the same: test:long does',
    async run(stage: Stage) {
      const scene = await stage.echoing({ on: [platform], rest: { env: { NODE_OPTIONS: SMALL_HEAP } } });
      const { qq, telegram, up, installation } = scene;
      const ask = (text: string) => (platform === 'qq' ? askQq(qq, 'ALICE', text) : askTelegram(telegram, 9, text));
      expect(await ask('before')).toEqual(['echo: before']);
      if (platform === 'qq') qq.verbatim(`"t":"C2C_MESSAGE_CREATE","id":"greedy","d":${GREEDY_MESSAGE}`);
      else telegram.bot().verbatim(`"message":${GREEDY_UPDATE}`);
      const answered = () => (platform === 'qq' ? qq.journal.of('delivered') : telegram.bot().delivered(9)).length;
      const before = answered();
      if (platform === 'qq') qq.user('ALICE').say('after');
      else telegram.bot().say(9, 'after');
      await waitUntil('the answer to the message after it', () => answered() > before, { timeoutMs: 90_000 });

      const deaths = up.lines.filter(({ event }) => event === 'child-died');
      expect(deaths.length, 'it did kill').toBeGreaterThan(1);
      const { stdout } = await installation.run(['messages', 'dead', '--json']);
      const [letter, ...others] = JSON.parse(stdout) as { code: string; text: string }[];
      expect(others).toEqual([]);
      expect(letter).toMatchObject({ kind: 'event', outcome: 'crashed', code: 'POISON' });
      expect(letter?.text).toContain('greedy');
      expect(up.lines.filter(({ event }) => event === 'poison')).toHaveLength(1);
    },
  })),
  {
    id: 'M1',
    must: 'answer another user at once while one floods the bot with large messages, and count what that one has no room for',
    timeoutMs: 120_000,
    async run(stage) {
      const { qq, agent, installation, up } = await stage.echoing({ on: ['qq'], agent: 'webhook' });
      const hog = qq.user('HOG');
      // Nobody answers the hog while this lasts: its first turn takes longer than the row looks.
      agent.next((_body, response) => void setTimeout(() => response.writeHead(204).end(), 30_000).unref());
      hog.say('first');
      await waitUntil('the turn of the hog', () => agent.calls.length > 0);
      for (let n = 0; n < 80; n += 1) hog.say(`${n} ${'x'.repeat(900_000)}`);
      const startedAt = performance.now();
      await askQq(qq, 'ALICE', 'hello?');
      expect(performance.now() - startedAt, 'no more than a moment').toBeLessThan(10_000);
      expect(up.lines.filter(({ event }) => event === 'inbound.busy').length, 'it is told').toBeGreaterThan(0);
      expect((await installation.connection('qq-main')).state).toBe('live');
    },
  },
  {
    id: 'M1b',
    must: 'store and answer what others of a group say while one of them floods it with messages for the bot',
    timeoutMs: 120_000,
    async run(stage) {
      const { qq, agent, installation, up } = await stage.echoing({
        on: ['qq'],
        agent: 'webhook',
        agentExtra: { maxMessagesPerTurn: 20 },
      });
      const group = qq.group('GROUP');
      let held = true;
      // Has something to say to everybody but the hog.
      agent.always(async ({ body }, response) => {
        await waitUntil('the group to be crowded', () => !held, { timeoutMs: 60_000 });
        const said = body.messages as { id: string; text: string }[];
        const replies = said.filter(({ text }) => !text.includes('flood')).map(({ id, text }) => ({ text, to: id }));
        if (replies.length === 0) response.writeHead(204).end();
        else response.end(JSON.stringify({ replies }));
      });
      for (let n = 0; n < 1_500; n += 1) group.atBot('HOG', `flood ${n}`);
      const isTold = () => up.lines.some(({ event }) => event === 'inbound.busy');
      await waitUntil('the hog has no more room', isTold, { timeoutMs: 30_000 });
      const others = ['ANN', 'BOB', 'CID'].map((who) => group.atBot(who, `hello from ${who}`));
      const flooding = setInterval(() => group.atBot('HOG', 'more of the flood'), 5);
      stage.defer(() => clearInterval(flooding));
      held = false;
      for (const { messageId } of others) {
        await qq.journal.waitUntil(() => qq.journal.repliesTo(messageId).length > 0, { timeoutMs: 60_000 });
        expect(qq.journal.repliesTo(messageId).map(({ text }) => text)).toEqual([
          expect.stringMatching(/^hello from (ANN|BOB|CID)$/),
        ]);
      }
      expect((await installation.connection('qq-main')).state).toBe('live');
    },
  },
  {
    id: 'M2',
    must: 'go on storing and answering messages however much junk comes',
    timeoutMs: 120_000,
    async run(stage) {
      const redis = await stage.redis({ args: ['--maxmemory', '60mb'] });
      const scene = await stage.echoing({ rest: { redis: { url: redis.url } } });
      const junk = 'x'.repeat(60_000);
      for (let n = 0; n < 1_500; n += 1) {
        scene.qq.verbatim(`"t":"JUNK_${n}","id":"junk-${n}","d":"${junk}"`);
        if (n % 100 === 99) await answersOnBoth(scene, `${n} of junk`);
      }
      await answersOnBoth(scene, 'all of it');
    },
  },
]);
