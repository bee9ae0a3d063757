import { describe, expect, it } from 'vitest';
import type { Agent, AgentTurn } from '../../../src/agents/agent.ts';
import { watchAgent } from '../../../src/agents/watched-agent.ts';
import { FatalError, ProcessStopping, TransientError } from '../../../src/errors.ts';

const TURN = {} as AgentTurn;

function place(reply: Agent['reply']) {
  let now = 1_000;
  const agent: Agent = { kind: 'test', maxMessagesPerTurn: 1, historyMessages: 0, timeoutMs: 5_000, reply };
  const watched = watchAgent(agent, { monotonic: () => now });
  const ask = (signal = new AbortController().signal) => watched.reply(TURN, { signal }).catch(() => 'failed');
  return { watched, ask, pass: (ms: number) => (now += ms) };
}

describe('what is known of an agent', () => {
  it.each([
    ['away', new TransientError('AGENT_FAILED', 'connect ECONNREFUSED'), null],
    ['refuses', new FatalError('AGENT_REFUSED', 'the agent answered 401', { status: 401 }), 401],
    ['fails', new TransientError('AGENT_FAILED', 'the agent answered 503', { status: 503 }), 503],
    ['fails', new TypeError('a defect'), null],
  ] as const)('is that it %s, since when, and how often (G04, G23)', async (kind, error, status) => {
    const { watched, ask, pass } = place(() => Promise.reject(error));
    await ask();
    pass(4_000);
    await ask();
    pass(1_000);
    expect(watched.standing().failing).toEqual({
      kind,
      reason: error.message,
      status,
      count: 2,
      forMs: 5_000,
      agoMs: 1_000,
    });
  });

  it('is nothing bad any more after one answer, or once another one is configured', async () => {
    let fails = true;
    const { watched, ask, pass } = place(async () => {
      if (fails) throw new TransientError('AGENT_FAILED', 'no');
      return [];
    });
    await ask();
    fails = false;
    await ask();
    pass(700);
    expect(watched.standing()).toMatchObject({ failing: null, answeredMs: 700 });
    fails = true;
    await ask();
    watched.forget();
    expect(watched.standing()).toMatchObject({ failing: null, answeredMs: null });
  });

  it('counts a deadline against it, and not that we stop', async () => {
    const hangs: Agent['reply'] = (_turn, { signal }) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    const { watched, ask, pass } = place(hangs);
    const stop = new AbortController();
    const stopped = ask(stop.signal);
    pass(20 * 60_000);
    expect(watched.standing()).toMatchObject({ running: 1, longestMs: 20 * 60_000, failing: null });
    stop.abort(new ProcessStopping('drained'));
    await stopped;
    expect(watched.standing()).toMatchObject({ running: 0, longestMs: null, failing: null });
    const late = new AbortController();
    const asked = ask(late.signal);
    late.abort(new TransientError('DEADLINE', 'agent: no answer within 5000 ms'));
    await asked;
    expect(watched.standing().failing).toMatchObject({ kind: 'away', count: 1 });
  });

  it('holds of a long refusal only its beginning', async () => {
    const { watched, ask } = place(() => Promise.reject(new FatalError('AGENT_REFUSED', 'x'.repeat(60_000))));
    await ask();
    expect(watched.standing().failing?.reason.length).toBeLessThanOrEqual(300);
  });
});
