import { describe, expect, it } from 'vitest';
import { inShort, Looks, SECOND, START } from './looks.ts';

function watching(ids: readonly string[], settings = {}): Looks {
  const looks = new Looks(ids, settings);
  looks.pass(10);
  return looks;
}

const shorts = (looks: Looks) => looks.told.map(inShort);

describe('a connection that is down', () => {
  it('is told once, after the time it may take, and once more when it is back: for how long, and what was stored since', () => {
    const looks = watching(['qq-main']);
    looks.set('qq-main', { counters: { events: 40 } });
    looks.lose('qq-main');
    const lostAt = looks.now;
    expect(looks.pass(60)).toEqual([]);
    const [down, ...more] = looks.pass(600);
    expect(more).toEqual([]);
    expect(down).toMatchObject({ kind: 'firing', rule: 'down', cause: 'network' });
    expect(down?.subjects).toEqual([
      {
        name: 'qq-main',
        reason: 'connection refused (ECONNREFUSED 10.0.0.1:443)',
        since: new Date(lostAt).toISOString(),
        forMs: 66 * SECOND,
        stored: null,
      },
    ]);

    looks.restore('qq-main', { events: 57, gaps: 1 });
    const [back, ...others] = looks.pass(600);
    expect(others).toEqual([]);
    expect(back).toMatchObject({ kind: 'recovered', rule: 'down' });
    expect(back?.subjects[0]).toMatchObject({ forMs: 662 * SECOND, stored: { events: 17, gaps: 1 } });
    expect(back?.text).toContain('17 messages stored since it was lost; 1 gap: the platform may have lost some');
    expect(back?.title).toBe('OK: qq-main is no longer down (after 11 min 2 s)');
  });

  it('is not told when it is back in time, however often the reason changed', () => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.pass(30);
    looks.set('qq-main', { state: 'connecting', reason: 'no answer within 5000 ms' });
    looks.pass(28);
    looks.restore('qq-main');
    expect(looks.pass(600)).toEqual([]);
  });

  it('counts from when it was lost, over all its states', () => {
    const looks = watching(['qq-main']);
    for (let n = 0; n < 8; n += 1) {
      looks.set('qq-main', { state: n % 2 === 0 ? 'waiting' : 'connecting', reason: 'connection reset (ECONNRESET)' });
      looks.pass(10);
    }
    expect(shorts(looks)).toEqual(['firing down qq-main']);
  });

  it('is still down when it was live for a moment', () => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.pass(80);
    looks.restore('qq-main');
    looks.pass(4);
    looks.lose('qq-main');
    looks.pass(120);
    expect(shorts(looks)).toEqual(['firing down qq-main']);
  });

  it('is told again after the repeat interval, for as long as it lasts', () => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.pass(2 * 3_600 + 120);
    expect(shorts(looks)).toEqual(['firing down qq-main', 'repeat down qq-main', 'repeat down qq-main']);
    expect(looks.told[1]?.title).toBe('STILL: qq-main is down (for 1 h 1 min)');
    expect(new Set(looks.told.map(({ id }) => id)).size).toBe(3);
  });

  it.each([
    [
      'paused',
      (looks: Looks) => looks.set('qq-main', { state: 'paused', reason: 'paused by the operator' }),
      'paused by',
    ],
    ['removed', (looks: Looks) => looks.remove('qq-main'), 'removed from the configuration'],
  ])('ends when it is %s, which is said', (_, end, words) => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.pass(80);
    end(looks);
    looks.pass(60);
    expect(shorts(looks)).toEqual(['firing down qq-main', 'recovered down qq-main']);
    expect(looks.told[1]?.text).toContain(words);
  });

  it('gets its time to start when nobody watched: what was off over night is no alert in the morning', () => {
    const looks = watching(['qq-main']);
    looks.set('qq-main', { state: 'unowned', reason: 'the process is stopping' });
    looks.skip(8 * 3_600);
    looks.pass(58);
    looks.restore('qq-main');
    looks.pass(60);
    expect(looks.told).toEqual([]);
  });

  it('is told for as long as it really was when nobody watched and it stays away', () => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.skip(600);
    looks.pass(70);
    expect(looks.told[0]?.subjects[0]?.forMs).toBeGreaterThan(660 * SECOND);
  });
});

describe('what kind of trouble', () => {
  const parked = { state: 'parked', reason: 'the platform refuses appId or clientSecret' } as const;

  it.each([
    ['parked', 10, parked],
    [
      'rival',
      20,
      { state: 'waiting', reason: 'conflict: another getUpdates poller (rival) uses this token (409)' } as const,
    ],
  ])('%s is told at once', (rule, withinSeconds, change) => {
    const looks = watching(['tg-main']);
    looks.set('tg-main', change);
    looks.pass(withinSeconds);
    expect(shorts(looks)).toEqual([`firing ${rule} tg-main`]);
  });

  it('growing worse is told, getting better is not, and the end is told once, for all of it', () => {
    const looks = watching(['qq-main']);
    looks.lose('qq-main');
    looks.pass(80);
    looks.set('qq-main', parked);
    looks.pass(20);
    looks.lose('qq-main');
    looks.pass(200);
    looks.restore('qq-main');
    looks.pass(20);
    expect(shorts(looks)).toEqual(['firing down qq-main', 'firing parked qq-main', 'recovered parked qq-main']);
    expect(looks.told[2]?.subjects[0]?.forMs).toBeGreaterThan(300 * SECOND);
  });

  it('many sessions in a short time are flapping; a deploy is not', () => {
    const looks = watching(['qq-main', 'qq-deployed']);
    looks.restore('qq-deployed', { resumed: 3 });
    for (let resumed = 1; resumed <= 8; resumed += 1) {
      looks.restore('qq-main', { resumed });
      looks.pass(30);
    }
    expect(shorts(looks)).toEqual(['firing flapping qq-main']);
    looks.pass(900);
    expect(shorts(looks)).toEqual(['firing flapping qq-main', 'recovered flapping qq-main']);
  });

  it('flapping does not end by being down, and what is down is not told to flap', () => {
    const looks = watching(['qq-main', 'qq-down']);
    for (let resumed = 1; resumed <= 8; resumed += 1) {
      looks.restore('qq-main', { resumed });
      if (resumed < 4) looks.restore('qq-down', { resumed });
      else looks.lose('qq-down');
      looks.set('qq-down', { counters: { resumed } });
      looks.pass(20);
    }
    looks.lose('qq-main');
    looks.pass(120);
    expect(shorts(looks)).toEqual(['firing flapping qq-main', 'firing down qq-down', 'firing down qq-main']);
  });

  it.each<readonly [string, (looks: Looks) => unknown, (looks: Looks) => unknown]>([
    ['no-sweep', (looks: Looks) => (looks.sweepAgeMs = 40_000), (looks: Looks) => (looks.sweepAgeMs = 300)],
    ['no-sweep', (looks: Looks) => (looks.sweepAgeMs = null), (looks: Looks) => (looks.sweepAgeMs = 300)],
    [
      'redis',
      (looks: Looks) => (looks.redis = { usedBytes: 81, maxBytes: 100, aof: { enabled: true, healthy: true } }),
      (looks: Looks) => (looks.redis = { usedBytes: 79, maxBytes: 100, aof: { enabled: true, healthy: true } }),
    ],
    [
      'redis',
      (looks: Looks) => (looks.redis = { usedBytes: 1, maxBytes: null, aof: { enabled: true, healthy: false } }),
      (looks: Looks) => (looks.redis = { usedBytes: 1, maxBytes: null, aof: { enabled: false, healthy: true } }),
    ],
    [
      'clock-skew',
      (looks: Looks) =>
        (looks.clocks = [
          { host: 'b', aheadMs: -7_000 },
          { host: 'c', aheadMs: 4_000 },
        ]),
      (looks: Looks) => (looks.clocks = [{ host: 'b', aheadMs: 20 }]),
    ],
    [
      'budget',
      (looks: Looks) => (looks.budgets = [identifies(801), { ...identifies(5), count: 5, windowMs: 5_000 }]),
      (looks: Looks) => (looks.budgets = [identifies(12)]),
    ],
  ])('%s is told once, and its end once', (rule, begin, end) => {
    const looks = watching(['qq-main']);
    begin(looks);
    looks.pass(300);
    expect(looks.told.map(({ kind, rule }) => `${kind} ${rule}`)).toEqual([`firing ${rule}`]);
    end(looks);
    looks.pass(300);
    expect(looks.told.map(({ kind, rule }) => `${kind} ${rule}`)).toEqual([`firing ${rule}`, `recovered ${rule}`]);
  });

  it('new dead letters are told, at most once per repeat interval; what lay there before is no news', () => {
    const looks = new Looks(['qq-main']);
    looks.deadLetters.set('qq-main', 7);
    looks.pass(20);
    expect(looks.told).toEqual([]);
    looks.deadLetters.set('qq-main', 9);
    looks.pass(20);
    expect(looks.told[0]?.text).toContain('- qq-main: 2 new dead letters\n');
    looks.deadLetters.set('qq-main', 10);
    looks.pass(600);
    looks.deadLetters.set('qq-main', 12);
    looks.pass(600);
    expect(looks.told).toHaveLength(1);
    looks.pass(3_600);
    expect(looks.told).toHaveLength(2);
    expect(looks.told[1]?.text).toContain('3 new dead letters');
  });

  it('nothing is told of an installation that is well, and its memory stays as it is', () => {
    const looks = watching(['a', 'b']);
    const before = { ...looks.memory, judgedAt: 0 };
    looks.pass(7_200);
    expect(looks.told).toEqual([]);
    expect({ ...looks.memory, judgedAt: 0 }).toEqual(before);
  });
});

describe('several connections', () => {
  const three = ['qq-a', 'qq-b', 'tg-c'];
  const proxy = 'proxy connection refused (ECONNREFUSED) [http proxy 10.0.0.1:3128 → api.sgroup.qq.com:443]';

  it('with one cause are one message, though they were lost one after the other, and one when they are back', () => {
    const looks = watching(three);
    for (const id of three) {
      looks.lose(id, proxy);
      looks.pass(6);
    }
    looks.pass(120);
    expect(shorts(looks)).toEqual(['firing down qq-a,qq-b,tg-c']);
    expect(looks.told[0]?.title).toBe('ALERT: qq-a, qq-b, tg-c are down');
    for (const id of three) {
      looks.restore(id);
      looks.pass(2);
    }
    looks.pass(60);
    expect(shorts(looks)).toEqual(['firing down qq-a,qq-b,tg-c', 'recovered down qq-a,qq-b,tg-c']);
  });

  it('that are back before the others are told so without waiting for them', () => {
    const looks = watching(three);
    for (const id of three) looks.lose(id, proxy);
    looks.pass(80);
    looks.restore('qq-b');
    looks.pass(60);
    looks.restore('qq-a');
    looks.restore('tg-c');
    looks.pass(60);
    expect(shorts(looks).slice(1)).toEqual(['recovered down qq-b', 'recovered down qq-a,tg-c']);
  });

  it('with different causes are different messages', () => {
    const looks = watching(three);
    looks.lose('qq-a', proxy);
    looks.lose('qq-b', 'no worker can hold it: b/1: no credentials');
    looks.pass(120);
    expect(shorts(looks).sort()).toEqual(['firing down qq-a', 'firing down qq-b']);
  });

  it('by the hundreds are a message that can be read', () => {
    const many = Array.from({ length: 300 }, (_, n) => `bot-${n}`);
    const looks = watching(many);
    for (const id of many) looks.lose(id);
    looks.pass(120);
    expect(looks.told).toHaveLength(1);
    expect(looks.told[0]?.title).toBe('ALERT: bot-0, bot-1, bot-2 and 297 more are down');
    expect(looks.told[0]?.text).toContain('and 290 more');
    expect(looks.told[0]?.text.split('\n').length).toBeLessThan(15);
  });
});

function identifies(used: number) {
  return { platform: 'qq', account: '1', name: 'identify', count: 1_000, windowMs: 86_400_000, used };
}

it('instants are those of Redis', () => {
  const looks = watching(['qq-main']);
  looks.lose('qq-main');
  looks.pass(80);
  expect(Date.parse(looks.told[0]?.at ?? '')).toBe(START + 76 * SECOND);
});
