/** Whatever is posted to the push API: an answer below 500 that says what is wrong, and then a right message is taken. */
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { deliveryBench } from '../support/delivery-bench.ts';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';
import { expectNoPollution, hostileText, mutantsOf, runs } from './hostile.ts';

const redis = useRedis({ aof: false });
const TOKEN = 'admin-token-of-the-test';

it('POST /v1/messages takes what is right and says what is wrong', { timeout: 3_600_000 }, async () => {
  const prefix = redis.prefix();
  await using web = await startWebBench({ path: redis.server.path, prefix, adminToken: TOKEN });
  await using bench = await deliveryBench(redis.server, {}, {}, prefix);
  const message = { connection: bench.id, conversation: 'c2c:A', text: 'hello' };
  const post = (body: string, key?: string) =>
    web.call('/v1/messages', {
      method: 'POST',
      headers: {
        authorization: `Bearer ${TOKEN}`,
        'content-type': 'application/json',
        ...(key === undefined ? {} : { 'idempotency-key': key }),
      },
      body,
    });
  // Headers are latin-1 to HTTP; what else a key may be is for the server to say.
  const key = fc.option(
    hostileText.map((text) => encodeURIComponent(text.replace(/\p{Cs}/gu, '')).slice(0, 300)),
    {
      nil: undefined,
    },
  );
  const seen = new Set<number>();
  const property = fc.asyncProperty(mutantsOf(message), key, async (body, idempotencyKey) => {
    const answer = await post(body, idempotencyKey);
    seen.add(answer.status);
    expect([202, 400, 404, 413, 415], `${answer.status}: ${answer.text.slice(0, 300)}`).toContain(answer.status);
    expect(answer.text.length).toBeLessThan(20_000);
    expectNoPollution();
  });
  await fc.assert(property, { numRuns: runs(500), endOnFailure: true });
  expect([...seen]).toEqual(expect.arrayContaining([202, 400, 404]));
  expect((await post(JSON.stringify(message), 'the-last')).json()).toEqual({ id: 'push/the-last', repeated: false });
  expect(web.lines.filter(({ event }) => event === 'web.defect')).toEqual([]);
});
