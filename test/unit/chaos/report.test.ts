import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, onTestFinished } from 'vitest';
import { Deck } from '../../../chaos/deck.ts';
import { CAUSES, type Cause } from '../../../chaos/faults/fault.ts';
import { withHosts, withKeptHosts } from '../../../chaos/hosts/merge.ts';
import { type HostsResult, isHostsGood } from '../../../chaos/hosts/result.ts';
import { Random } from '../../../chaos/random.ts';
import { markdownOf } from '../../../chaos/report.ts';
import { type ChaosResult, isGood } from '../../../chaos/result.ts';
import { spreadOf } from '../../../chaos/spread.ts';
import { verdicts } from '../../../chaos/targets.ts';

const upTo = (count: number) => Array.from({ length: count }, (_, n) => n + 1);

/** A run in which each cause had these samples and nothing went wrong. */
function result(samples: readonly number[], change: Partial<ChaosResult> = {}): ChaosResult {
  const spread = spreadOf(samples);
  return {
    date: '2026-11-22T12:00:00.000Z',
    seed: 7,
    timings: 'default',
    leaseMs: 6_000,
    machine: { cores: 2, cpu: 'a cpu', memoryGb: 4, system: 'linux', node: 'v20', redis: '7', load5: 1 },
    driverLagMs: { p99: 1, max: 2 },
    tookMs: 1_000,
    faults: 10,
    killed: 500,
    causes: (Object.keys(CAUSES) as Cause[]).map((cause) => ({
      ...{ cause, times: 1, identified: 0 },
      ...{ takeover: spread, untilDial: spread },
    })),
    ...{ sent: 5, answered: 5, lost: [], doubled: [], outOfOrder: [], stray: [] },
    staleWritesRefused: 3,
    oldTokenWrites: { tried: 9, accepted: 0 },
    overlap: { peak: 1, ms: 0 },
    ...{ displaced: 0, identifies: 0, duplicatesDropped: 0, gaps: 0, complaints: [], hosts: null },
    ...change,
  };
}

const verdictOf = (about: ChaosResult, start: string) => verdicts(about).find(({ target }) => target.startsWith(start));

describe('the spread of takeover times', () => {
  it('has a p99 from 100 samples on, by nearest rank', () => {
    expect(spreadOf(upTo(99))).toEqual({ count: 99, p50: 50, p95: 95, p99: null, max: 99 });
    expect(spreadOf(upTo(200))).toEqual({ count: 200, p50: 100, p95: 190, p99: 198, max: 200 });
  });

  it('is nothing without samples, and does not depend on their order', () => {
    expect(spreadOf([])).toBeNull();
    expect(spreadOf([3, 1, 2])).toEqual(spreadOf([1, 2, 3]));
  });
});

describe('the targets', () => {
  it('are met by p99 where there is one, and otherwise only by the longest', () => {
    const mostlyQuick = [...Array<number>(99).fill(200), 900];
    expect(verdictOf(result(mostlyQuick), 'SIGKILL of a child')?.verdict).toBe('pass');
    expect(verdictOf(result(mostlyQuick.slice(1)), 'SIGKILL of a child')).toMatchObject({
      verdict: 'short',
      remark: expect.stringContaining('judged by the longest'),
    });
  });

  it('are short when an Identify was needed, a message lost, too few killed or an old token worked', () => {
    const good = result([100]);
    expect(new Set(verdicts(good).map(({ verdict }) => verdict))).toEqual(new Set(['pass']));
    const causes = good.causes.map((one) => ({ ...one, identified: 1 }));
    expect(verdictOf(result([100], { causes }), 'SIGTERM')?.verdict).toBe('short');
    expect(verdictOf(result([100], { lost: ['message 1'] }), '0 lost')?.verdict).toBe('short');
    expect(verdictOf(result([100], { killed: 499 }), '0 lost')?.verdict).toBe('short');
    expect(verdictOf(result([100], { oldTokenWrites: { tried: 9, accepted: 1 } }), 'writes')?.verdict).toBe('short');
    expect(verdictOf(result([100], { oldTokenWrites: { tried: 0, accepted: 0 } }), 'writes')?.verdict).toBe('short');
  });

  it('are not measured without a sample', () => {
    expect(verdictOf(result([]), 'SIGKILL of a child')?.verdict).toBe('not measured');
  });
});

describe('the run as a whole', () => {
  it('is good only when nothing was lost, doubled, out of order, unasked for, complained of or written late', () => {
    expect(isGood(result([100]))).toBe(true);
    for (const wrong of ['lost', 'doubled', 'outOfOrder', 'stray', 'complaints'])
      expect(isGood(result([100], { [wrong]: ['x'] }))).toBe(false);
    expect(isGood(result([100], { oldTokenWrites: { tried: 1, accepted: 1 } }))).toBe(false);
  });

  it('names in Markdown what was lost', () => {
    expect(markdownOf(result([100], { lost: ['message 42'] }))).toContain('## Lost\n\n- message 42');
    expect(markdownOf(result([100]))).not.toContain('## Lost');
  });
});

describe('the run about lost hosts', () => {
  const samples = spreadOf([5_900, 6_400]);
  const hosts: HostsResult = {
    ...{ date: '2026-11-22T13:00:00.000Z', seed: 8, timings: 'default', leaseMs: 6_000, tookMs: 1_000, load5: 1 },
    driverLagMs: { p99: 1, max: 2 },
    cause: { cause: 'host lost', times: 2, takeover: samples, untilDial: samples, identified: 0 },
    letGo: spreadOf([5_000, 5_300]),
    ...{ sent: 5, answered: 5, lost: [], doubled: [], outOfOrder: [], stray: [] },
    oldTokenWrites: { tried: 6, accepted: 0 },
    ...{ identifies: 0, complaints: [] },
  };
  const causes = result([100]).causes.map((one) =>
    one.cause === 'host lost' ? { ...one, takeover: null, untilDial: null } : one,
  );
  const without = result([100], { causes });

  it('gives the report its samples, and changes nothing else in it', () => {
    expect(verdictOf(without, 'lost host')?.verdict).toBe('not measured');
    const both = withHosts(without, hosts);
    expect(verdictOf(both, 'lost host')).toMatchObject({ verdict: 'pass', measured: expect.stringContaining('6400') });
    expect(both.causes).toHaveLength(without.causes.length);
    expect({ ...both, causes, hosts: null }).toEqual(without);
    expect(markdownOf(both)).toContain('## Lost hosts');
    expect(markdownOf(without)).not.toContain('## Lost hosts');
  });

  it('stays in its folder when the other faults are made anew, unless these were of other timings', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'hf-report-'));
    onTestFinished(() => rm(folder, { recursive: true }));
    expect(await withKeptHosts(folder, without)).toEqual(without);
    await writeFile(join(folder, 'chaos-report.json'), JSON.stringify(withHosts(result([900]), hosts)));
    expect(await withKeptHosts(folder, without)).toEqual(withHosts(without, hosts));
    const other = { ...without, leaseMs: 3_000 };
    expect(await withKeptHosts(folder, other)).toEqual(other);
  });

  it('joins no report of other timings', () => {
    expect(() => withHosts(without, { ...hosts, leaseMs: 3_000 })).toThrow(RangeError);
  });

  it('is good only when users saw nothing, no old token worked and every cut healed', () => {
    expect(isHostsGood(hosts)).toBe(true);
    for (const wrong of ['lost', 'doubled', 'outOfOrder', 'stray', 'complaints'])
      expect(isHostsGood({ ...hosts, [wrong]: ['x'] })).toBe(false);
    expect(isHostsGood({ ...hosts, oldTokenWrites: { tried: 6, accepted: 1 } })).toBe(false);
  });
});

describe('the order of faults', () => {
  const draws = (seed: number, count: number) => {
    const deck = Deck.main(new Random(seed));
    return upTo(count).map(() => deck.draw().cause);
  };

  it('is that of the seed', () => {
    expect(draws(5, 60)).toEqual(draws(5, 60));
    expect(draws(5, 60)).not.toEqual(draws(6, 60));
  });

  it('has each cause once before any comes again', () => {
    const first = draws(5, 8);
    expect(new Set(first).size).toBe(8);
  });
});
