/** Telling that something failed must not depend on what failed: the report is made from outside of what is torn down. */
import { expect, it } from 'vitest';
import type { HoldContext } from '../../src/adapters/adapter.ts';
import { FatalError } from '../../src/errors.ts';
import type { ConnectionId } from '../../src/model.ts';
import { wishRestart } from '../../src/state/desired.ts';
import { readHistory } from '../../src/state/history.ts';
import { healthyHold, startOneWorker } from '../support/one-worker.ts';
import { useRedis } from '../support/redis.ts';

const redis = useRedis();
const id = 'conn-a' as ConnectionId;
const within = { timeout: 15_000, interval: 50 };

/** Fails in the very moment in which it is told to stop, and leaves work behind that never ends. */
function failingWhenStopped(context: HoldContext): Promise<void> {
  context.health.live('identified');
  return new Promise((_, reject) => {
    context.drain.addEventListener('abort', () => {
      void new Promise(() => undefined);
      reject(new FatalError('PLATFORM_REFUSED', 'the bot was removed: invite it again'));
    });
  });
}

it('a connection that fails while it is being stopped still says why, in status, history and log (F30)', async () => {
  await using world = await startOneWorker({
    path: redis.server.path,
    prefix: redis.prefix(),
    ids: [id, 'conn-b'],
    hold: (context) => (context.connectionId === id ? failingWhenStopped(context) : healthyHold(context)),
  });
  const states = async () => (await world.status()).connections.map(({ state }) => state);
  await expect.poll(states, within).toEqual(['live', 'live']);
  await wishRestart(world.client, world.keys, id);
  await expect.poll(states, within).toEqual(['parked', 'live']);

  expect((await world.status()).connections[0]?.reason).toContain('the bot was removed');
  const history = await readHistory(world.client, world.keys, id, 20);
  expect(history.map(({ detail }) => detail).join('\n')).toContain('the bot was removed');
  expect(world.lines).toContainEqual(
    expect.objectContaining({ event: 'tenure-ended', end: 'fatal', level: 50, connection: id }),
  );
});

it('a hold whose failure brings its reporter down is replaced all the same, and the others go on (F30)', async () => {
  let holds = 0;
  await using world = await startOneWorker({
    path: redis.server.path,
    prefix: redis.prefix(),
    ids: [id, 'conn-b'],
    hold: async (context) => {
      if (context.connectionId !== id) return await healthyHold(context);
      holds += 1;
      if (holds > 1) return await healthyHold(context);
      context.health.live('identified');
      // An error that cannot even be printed.
      throw Object.defineProperty(new Error('unprintable'), 'message', {
        get(): string {
          throw new Error('the message itself is broken');
        },
      });
    },
  });
  const live = async () => (await world.status()).connections.map(({ state }) => state);
  await expect.poll(() => holds, within).toBe(2);
  await expect.poll(live, within).toEqual(['live', 'live']);
});
