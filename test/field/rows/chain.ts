/** Live means answered: what keeps people from being answered while every connection is live is put right, or said. */
import { expect } from 'vitest';
import type { StatusDocument } from '../../../src/status/document.ts';
import type { Installation } from '../../support/installation.ts';
import { waitUntil } from '../../support/wait-until.ts';
import { replay } from '../row.ts';
import { askTelegram, PATIENCE_MS } from '../stage.ts';

async function statusOf(installation: Installation): Promise<{ code: number | null; status: StatusDocument }> {
  const { code, stdout } = await installation.run(['status', '--json']);
  return { code, status: JSON.parse(stdout) as StatusDocument };
}

/** Waits for `status` to end with `code`. @returns its document */
async function untilStatus(installation: Installation, code: number): Promise<StatusDocument> {
  let last: Awaited<ReturnType<typeof statusOf>> | undefined;
  await waitUntil(
    `status to end with ${code}`,
    async () => {
      last = await statusOf(installation);
      return last.code === code;
    },
    { timeoutMs: PATIENCE_MS, everyMs: 300, explain: () => JSON.stringify(last?.status.chain) },
  );
  return (last as Awaited<ReturnType<typeof statusOf>>).status;
}

replay('live means answered', [
  {
    id: 'H5',
    must: 'answer although somebody limited, narrowed or paused the queues in Redis, and say that it was done',
    async run(stage) {
      const { installation, telegram, up } = await stage.echoing({ on: ['telegram'] });
      const { client, keys } = await installation.reader();
      for (const [queue, settings] of [
        ['turns', ['max', '1', 'duration', '100000']],
        ['deliveries', ['concurrency', '0']],
        ['turns', ['paused', '1']],
      ] as const) {
        await client.hset(keys.queue(queue).meta, ...settings);
        expect(await askTelegram(telegram, 5, `after ${settings[0]}?`)).toEqual([`echo: after ${settings[0]}?`]);
      }
      expect(up.output).toContain('queue.settled');
      const { status } = await statusOf(installation);
      expect(status.chain.troubles.map(({ kind }) => kind)).toContain('queue-settled');
    },
  },
  {
    id: 'G04',
    must: 'end status with 1, why and what to do while the agent is away, and with 0 once it answers again',
    async run(stage) {
      const { installation, telegram, agent } = await stage.echoing({ on: ['telegram'], agent: 'webhook' });
      agent.always((_, response) => void response.destroy());
      telegram.bot().say(5, 'is anybody there?');
      const away = await untilStatus(installation, 1);
      expect(away.connections).toMatchObject([{ state: 'live', chain: { state: 'failing', link: 'answer' } }]);
      expect(away.agents).toMatchObject([{ name: 'main', kind: 'webhook', failing: { kind: 'away' } }]);
      expect(away.chain.links).toMatchObject({ received: { state: 'ok' }, answer: { state: 'failing' } });
      expect((await installation.run(['status'])).stdout).toContain('NOT ANSWERED');
      agent.always(undefined);
      await untilStatus(installation, 0);
    },
  },
  {
    id: 'G23',
    must: 'say that the agent refuses, after one 401',
    async run(stage) {
      const { installation, telegram, agent } = await stage.echoing({ on: ['telegram'], agent: 'openai' });
      agent.always((_, response) => void response.writeHead(401).end('{"error":{"message":"Incorrect API key"}}'));
      telegram.bot().say(5, 'hello');
      const status = await untilStatus(installation, 1);
      expect(status.chain.links.answer).toMatchObject({
        state: 'failing',
        reason: expect.stringMatching(/refuses.*401/),
        advice: expect.stringContaining('agent.apiKey'),
      });
    },
  },
  {
    id: 'G28',
    must: 'say that the platform asked for an hour, and when it is over',
    async run(stage) {
      const { installation, telegram } = await stage.echoing({ on: ['telegram'] });
      telegram.faults.tooMany({ method: 'sendMessage', retryAfterS: 3_600 });
      telegram.bot().say(11, 'hello');
      const status = await untilStatus(installation, 1);
      expect(status.chain.links.sent.reason).toMatch(/held for \d+ min more, as the platform asked/);
      const until = Date.parse(String(status.chain.links.sent.until));
      expect(until - Date.parse(status.at)).toBeGreaterThan(50 * 60_000);
    },
  },
]);
