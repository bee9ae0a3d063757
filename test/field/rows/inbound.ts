/** What comes in: frames and updates that cannot be read, floods, one sender who takes all the room. */
import { expect } from 'vitest';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { askQq, askTelegram, type Scene } from '../stage.ts';

/** What every object has under some name. */
const PROTOTYPE_NAMES = ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf', '__defineGetter__'];
const DEEP = `${'['.repeat(200_000)}${']'.repeat(200_000)}`;
const HUGE_ID = 'x'.repeat(300_000);
const HALF = '\\ud83d';

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
]);
