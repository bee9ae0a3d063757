/** What is logged about a connection reaches whoever looks, from any process, and holds nobody up. */
import { expect, it } from 'vitest';
import { createLogger } from '../../src/log.ts';
import { connectionId } from '../../src/model.ts';
import { keepJournal } from '../../src/run/keep-journal.ts';
import { applyDesired } from '../../src/state/desired.ts';
import { createKeys } from '../../src/state/keys.ts';
import { LogJournal, readJournal } from '../../src/state/log-journal.ts';
import { openRedis } from '../../src/state/redis.ts';
import { connectionDetailSchema } from '../../src/web/schemas.ts';
import { startRedis, useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const id = connectionId('conn-a');
const within = { timeout: 15_000, interval: 50 };

async function startProcess(path: string, prefix: string) {
  const client = openRedis({ path }, 'fenced', 'test:journal', () => undefined);
  await expect.poll(() => client.status, within).toBe('ready');
  const journal = new LogJournal();
  const log = createLogger({ name: 'test', destination: { write: () => undefined }, alsoTo: journal });
  const ended = new AbortController();
  const kept = keepJournal({ journal, client, keys: createKeys(prefix), log }, ended.signal);
  return {
    log: log.child({ connection: id }),
    async [Symbol.asyncDispose]() {
      ended.abort();
      await kept;
      client.disconnect();
    },
  };
}

it('is shown newest first, of all processes, also the last words before one ends', async () => {
  const prefix = redis.prefix();
  const { path } = redis.server;
  await using web = await startWebBench({ path, prefix });
  const wanted = { id, platform: 'test', enabled: true, options: {}, lateReply: 'active', fingerprint: 'f' } as const;
  await applyDesired(web.client, web.keys, [{ ...wanted, source: 'config' }], { removeOthers: true });
  await using holder = await startProcess(path, prefix);
  const delivery = await startProcess(path, prefix);
  const detail = async () => {
    const given = (await web.call(`/api/connections/${id}`)).json();
    expect(connectionDetailSchema.parse(given)).toEqual(given);
    return given;
  };

  holder.log.warn({ event: 'state', reason: 'closed with 4009' }, 'connection is waiting');
  await expect.poll(async () => (await detail()).log, within).toHaveLength(1);
  delivery.log.error({ event: 'sender-failed', err: new RangeError('no address') }, 'no sender');
  await delivery[Symbol.asyncDispose]();
  const { log, errors, tenures } = await detail();
  expect(log).toMatchObject([
    { level: 'error', event: 'sender-failed', text: 'no sender: no address' },
    { level: 'warn', event: 'state', text: 'connection is waiting: closed with 4009' },
  ]);
  expect(errors).toMatchObject([{ code: null, message: 'no address', stack: expect.stringContaining('RangeError') }]);
  expect(tenures).toEqual([]);
});

it('is capped: fifty lines, and the five last distinct errors, each as it last happened', async () => {
  const prefix = redis.prefix();
  const client = redis.server.client();
  const read = () => readJournal(client as never, createKeys(prefix), id);
  for (let round = 0; round < 4; round += 1) {
    // A process may say twenty at once; each of these is one.
    await using process = await startProcess(redis.server.path, prefix);
    for (let n = 0; n < 20; n += 1) {
      const kind = 'abcdefgh'[n % 8];
      process.log.error({ err: new Error(`${kind}: port ${round}${n} is taken`) }, `line ${round}.${n}`);
    }
  }
  const { log, errors } = await read();
  expect(log).toHaveLength(50);
  expect(log[0]?.text).toMatch(/^line 3\.19/);
  expect(errors).toHaveLength(5);
  expect(new Set(errors.map(({ message }) => message[0])).size).toBe(5);
  for (const { message } of errors) expect(message).toContain('port 3');
});

it('is lost while Redis is away, which costs the process nothing, and is counted', async () => {
  await using server = await startRedis();
  const keys = createKeys('test');
  await using process = await startProcess(server.path, 'test');
  server.freeze();
  const startedAt = performance.now();
  for (let n = 0; n < 5; n += 1) process.log.warn(`line ${n}`);
  expect(performance.now() - startedAt).toBeLessThan(500);
  // Longer than the client waits for an answer.
  await new Promise((resolve) => setTimeout(resolve, 2_500));
  server.thaw();
  const client = server.client() as never;
  await expect
    .poll(async () => (await readJournal(client, keys, id)).log, within)
    .toContainEqual(
      expect.objectContaining({ event: 'log.left-out', text: expect.stringMatching(/^5 more lines are/) }),
    );
});
