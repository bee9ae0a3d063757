/** What an attacker tried and what held already: it goes on holding. */
import { expect } from 'vitest';
import { replay } from '../row.ts';
import { askQq, askTelegram } from '../stage.ts';

const GARBAGE = [
  'text',
  'json-array',
  'json-null',
  'empty',
  'binary',
  'no-op',
  'unknown-event',
  'null-data',
  'huge',
] as const;

replay('what held', [
  {
    id: 'HELD-frames',
    must: 'answer on both platforms after garbage of every kind on the gateway',
    async run(stage) {
      const { qq, telegram, installation } = await stage.echoing();
      for (const kind of GARBAGE) expect(qq.faults.garbage(kind), kind).toBe(1);
      expect(await askQq(qq, 'ALICE', 'still there?')).toEqual(['echo: still there?']);
      expect(await askTelegram(telegram, 5, 'and here?')).toEqual(['echo: and here?']);
      expect((await installation.connection('qq-main')).state).toBe('live');
    },
  },
]);
