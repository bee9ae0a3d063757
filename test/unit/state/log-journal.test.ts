import { afterEach, describe, expect, it } from 'vitest';
import { createLogger } from '../../../src/log.ts';
import { LogJournal } from '../../../src/state/log-journal.ts';
import { registerSecret } from '../../../src/text/known-secrets.ts';

function journaling() {
  let now = 0;
  const journal = new LogJournal(() => now);
  const log = createLogger({ name: 'test', level: 'debug', destination: { write: () => undefined }, alsoTo: journal });
  return {
    journal,
    log,
    about: log.child({ connection: 'qq-main' }),
    later: (ms: number) => {
      now += ms;
    },
  };
}

const forget: (() => void)[] = [];
afterEach(() => {
  for (const one of forget.splice(0)) one();
});

describe('the journal of a process', () => {
  it('keeps what is loud and what tells the story of a connection, and nothing else', () => {
    const { journal, log, about } = journaling();
    about.debug({ event: 'state' }, 'a phase');
    about.info({ event: 'route' }, 'the way');
    log.warn({ event: 'other' }, 'of no connection');
    expect(journal.take()).toEqual([]);
    about.info({ event: 'claimed' }, 'lease granted');
    about.warn({ event: 'state', reason: 'ECONNRESET' }, 'connection is waiting');
    log.error({ connection: 'tg-main' }, 'without an event');
    expect(journal.take()).toMatchObject([
      {
        id: 'qq-main',
        lines: [
          { at: expect.stringMatching(/^\d{4}-.*Z$/), level: 'info', event: 'claimed', text: 'lease granted' },
          { level: 'warn', event: 'state', text: 'connection is waiting: ECONNRESET' },
        ],
        errors: [],
      },
      { id: 'tg-main', lines: [{ level: 'error', event: null, text: 'without an event' }] },
    ]);
    expect(journal.take()).toEqual([]);
  });

  it('keeps errors with the stacks of their causes, cut to a bearable size', () => {
    const { journal, about } = journaling();
    const cause = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    about.error({ event: 'tenure-ended', err: new TypeError('x'.repeat(9_000), { cause }) }, 'a defect');
    const [entry] = journal.take();
    const [error] = entry?.errors ?? [];
    expect(error?.message).toHaveLength(502);
    expect(error?.stack.length).toBeLessThanOrEqual(4_002);
    expect(entry?.lines[0]?.text).toMatch(/^a defect: x+ …$/);
    about.error({ err: new Error('outer', { cause }), code: 'BUG' }, 'again');
    expect(journal.take()[0]?.errors[0]).toMatchObject({
      code: 'BUG',
      message: 'outer',
      stack: expect.stringMatching(/Error: outer[\s\S]*log-journal\.test[\s\S]*\ncaused by: Error: refused/),
    });
  });

  it('never sees a secret: lines come to it as they leave the process', () => {
    const { journal, about } = journaling();
    forget.push(registerSecret('planted-secret-1'));
    const error = new Error('GET https://user:planted-pass@proxy.example failed', {
      cause: new Error('Authorization: Bearer planted-bearer-token'),
    });
    about.warn({ reason: 'planted-secret-1', token: 'planted-token', err: error }, 'with planted-secret-1 in it');
    const text = JSON.stringify(journal.take());
    expect(text).toContain('[redacted]');
    expect(text).not.toMatch(/planted-(?:secret|pass|bearer|token)/);
  });

  it('is not flooded: after twenty lines at once one every three seconds, and a count of the others', () => {
    const { journal, about, log, later } = journaling();
    for (let n = 0; n < 500; n += 1) about.warn(`flapping ${n}`);
    log.warn({ connection: 'tg-main' }, 'another one has its own allowance');
    const [flapping, calm] = journal.take();
    expect(flapping?.lines.map(({ text }) => text)).toEqual([
      ...Array.from({ length: 20 }, (_, n) => `flapping ${n}`),
      '480 more lines are left out: too many at once, or Redis was away',
    ]);
    expect(calm?.lines).toHaveLength(1);
    later(6_500);
    for (let n = 0; n < 5; n += 1) about.warn('still');
    expect(journal.take()[0]?.lines.map(({ text }) => text)).toEqual([
      'still',
      'still',
      '3 more lines are left out: too many at once, or Redis was away',
    ]);
  });

  it('says how many were lost when Redis did not take them', () => {
    const { journal, about } = journaling();
    about.warn('one');
    about.warn('two');
    journal.lost(journal.take());
    expect(journal.take()).toMatchObject([
      { lines: [{ event: 'log.left-out', text: expect.stringMatching(/^2 more lines are/) }] },
    ]);
    about.warn('three');
    const [entry] = journal.take();
    expect(entry?.lines.map(({ text }) => text)).toEqual(['three']);
  });

  it('is not brought down by what is no line of ours', () => {
    const { journal } = journaling();
    for (const line of [
      '',
      '{',
      '"connection":"a"',
      '{"connection":"a"}',
      '{"connection":"a","level":"warn"}',
      'null',
    ]) {
      journal.write(line);
    }
    expect(journal.take()).toEqual([]);
  });
});
