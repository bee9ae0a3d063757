/**
 * Many chats at once, and workers that die in the middle of it: what the measured traps were about (a wake-up swallowed
 * by a job that is still finishing left 38 of 40 lanes asleep).
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EchoAgent } from '../../src/agents/echo.ts';
import { laneId } from '../../src/state/keys.ts';
import { message, QQ } from '../support/inbound.ts';
import { useRedis } from '../support/redis.ts';
import { TurnBench } from '../support/turn-bench.ts';

const CHATS = 40;
const PER_CHAT = 100;
const BURST = 80;
const CHILD = fileURLToPath(new URL('../support/turn-child.ts', import.meta.url));

const redis = useRedis();
const children = new Set<ChildProcess>();

async function startWorker(prefix: string): Promise<ChildProcess> {
  const args = ['--import', 'tsx', CHILD, redis.server.path, prefix];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  children.add(child);
  child.once('exit', () => children.delete(child));
  await once(child.stdout, 'data');
  return child;
}

async function kill(child: ChildProcess): Promise<void> {
  const exited = once(child, 'exit');
  child.kill('SIGKILL');
  await exited;
}

afterEach(async () => {
  await Promise.all([...children].map(kill));
});

const chats = Array.from({ length: CHATS }, (_, chat) => `c2c:chat-${chat}`);
const inbound = Array.from({ length: CHATS * PER_CHAT }, (_, n) =>
  message(`m${n}`, chats[(n * 7) % CHATS] ?? '', { text: String(n) }),
);

async function expectAllAnsweredInOrder(bench: TurnBench): Promise<void> {
  for (const chat of chats) {
    const expected = inbound.filter(({ conversation }) => conversation === chat).map(({ text }) => `echo: ${text}`);
    expect(await bench.said(chat), chat).toEqual(expected);
  }
  expect(await bench.letters()).toEqual([]);
  expect(await bench.client.hget(bench.at.cursor, 'bytes')).toBe('0');
}

describe('4000 messages over 40 chats', () => {
  it('are all answered once and in order while turn workers are killed (P2, P3, P4)', {
    timeout: 120_000,
  }, async () => {
    await using bench = await TurnBench.start(redis.server);
    const { prefix } = bench.keys;
    const workers = await Promise.all([startWorker(prefix), startWorker(prefix)]);

    const atWork = async () => {
      const lanes = await bench.client.zrange(bench.at.activeLanes, '0', '-1');
      const runners = await Promise.all(lanes.map((lane) => bench.client.hget(bench.at.laneState(lane), 'runner')));
      return runners.some((runner) => runner !== null && runner !== '');
    };
    let replacement = startWorker(prefix);
    const bursts = Math.ceil(inbound.length / BURST);
    let killed = 0;
    for (let burst = 0; burst < bursts; burst += 1) {
      await bench.receive(inbound.slice(burst * BURST, (burst + 1) * BURST));
      const [victim] = workers;
      if (burst % 10 === 5 && victim !== undefined) {
        await vi.waitFor(async () => expect(await atWork()).toBe(true), { timeout: 20_000, interval: 1 });
        workers.shift();
        await kill(victim);
        killed += 1;
        workers.push(await replacement);
        replacement = startWorker(prefix);
      } else {
        // Long enough for lanes to fall asleep between bursts, so that they are woken again and again.
        await wait(30);
      }
    }
    expect(killed).toBe(5);
    await replacement;

    await vi.waitFor(
      async () => {
        await bench.sweep(1_000);
        expect(await bench.activeLanes(), `answered so far: ${await bench.counter('replies')}`).toBe(0);
      },
      { timeout: 60_000, interval: 200 },
    );
    await expectAllAnsweredInOrder(bench);
    expect((await bench.deliveryJobs()).length, 'each outbox is awake').toBe(CHATS);
  });

  it('leave no lane asleep with messages in it, without any sweep to help', async () => {
    await using bench = await TurnBench.start(redis.server);
    await bench.worker(new EchoAgent({ delayMs: [0, 5] })).ready;
    for (let start = 0; start < inbound.length; start += CHATS) {
      await bench.receive(inbound.slice(start, start + CHATS));
      await wait(5);
    }
    await vi.waitFor(async () => expect(await bench.activeLanes()).toBe(0), { timeout: 30_000, interval: 50 });
    await expectAllAnsweredInOrder(bench);
    const activations = await Promise.all(
      chats.map((chat) => bench.client.hget(bench.at.laneState(laneId(QQ, chat)), 'activation')),
    );
    const most = Math.max(...activations.map(Number));
    // How often depends on how busy the machine is.
    expect(most, 'lanes did fall asleep and wake').toBeGreaterThan(3);
  });
});
