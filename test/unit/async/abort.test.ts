import { setTimeout as delay } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { childController, controllerForMany, sleep, withDeadline } from '../../../src/async/abort.ts';

const MANY = 50;
const warnings: Error[] = [];
const note = (warning: Error) => warnings.push(warning);
beforeEach(() => {
  warnings.length = 0;
  process.on('warning', note);
});
afterEach(() => {
  process.off('warning', note);
});

/** Half of them sleep, half of them wait for something with a deadline. */
function waitALot(signal: AbortSignal): Promise<unknown>[] {
  return Array.from({ length: MANY }, (_, n) =>
    n % 2 === 0 ? sleep(60_000, { signal }) : withDeadline('nothing', 60_000, signal, () => new Promise(() => {})),
  );
}

/** Ends the calls, and waits until Node would have warned: it does so in a later turn of the event loop. */
async function warnedBy(controller: AbortController): Promise<string[]> {
  const calls = waitALot(controller.signal);
  await delay(20);
  controller.abort(new Error('the test is over'));
  expect((await Promise.allSettled(calls)).every(({ status }) => status === 'rejected')).toBe(true);
  return warnings.map(({ name }) => name);
}

describe('fifty calls that wait on one signal', () => {
  it('make Node warn of a leak, were the signal a plain one', async () => {
    expect(await warnedBy(new AbortController())).toEqual(['MaxListenersExceededWarning']);
  });

  it('are nothing to warn of where many were expected', async () => {
    expect(await warnedBy(controllerForMany())).toEqual([]);
  });

  it('are nothing to warn of on a child of such a controller either', async () => {
    using child = childController(controllerForMany().signal);
    expect(await warnedBy(child)).toEqual([]);
  });
});
