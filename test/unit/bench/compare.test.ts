import { describe, expect, it } from 'vitest';
import { compare, isMet, median, percentile } from '../../../bench/compare.ts';
import { cellsOf } from '../../../bench/report/cells.ts';
import { svgOf } from '../../../bench/report/plots.ts';

const ours = { name: 'Holdfast', samples: [130, 90, 200] };
const floor = { name: 'floor', samples: [100, 100, 100] };

describe('compare', () => {
  it('takes the median of the ratios of each round, with their spread', () => {
    const found = compare({ what: 'w', unit: 'u', subject: ours, against: floor });
    expect(found.ratio).toEqual({ median: 1.3, least: 0.9, most: 2 });
    expect(found.subject).toMatchObject({ median: 130, least: 90, most: 200 });
  });

  it('judges by the ratio, and says nothing without a goal', () => {
    const judged = (kind: 'at least' | 'at most', ratio: number) =>
      isMet(compare({ what: 'w', unit: 'u', subject: ours, against: floor, goal: { kind, ratio } }));
    expect([
      judged('at least', 1.3),
      judged('at least', 1.31),
      judged('at most', 1.3),
      judged('at most', 1.29),
    ]).toEqual([true, false, true, false]);
    expect(isMet(compare({ what: 'w', unit: 'u', subject: ours, against: floor }))).toBeNull();
  });

  it('refuses what was not measured, instead of printing it', () => {
    const missing = { name: 'floor', samples: [] };
    expect(() => compare({ what: 'speed', unit: 'u', subject: ours, against: missing })).toThrow(
      /speed: not everything/,
    );
    const broken = { name: 'Holdfast', samples: [Number.NaN] };
    expect(() => compare({ what: 'speed', unit: 'u', subject: broken, against: null })).toThrow(/speed/);
  });

  it('has the median between two, and percentiles by nearest rank', () => {
    expect([median([3, 1]), median([5, 1, 3])]).toEqual([2, 3]);
    expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
    expect(percentile([4, 1, 3, 2], 0.99)).toBe(4);
  });
});

describe('the report', () => {
  it('has a line for each comparison, with the verdict', () => {
    const goal = { kind: 'at least', ratio: 2 } as const;
    const comparisons = [compare({ what: 'w', unit: 'u', subject: ours, against: floor, goal })];
    const row = { name: 'r', title: 'R', at: '', loadBefore: 0, tookSeconds: 1, brief: false, plots: [], notes: [] };
    expect(cellsOf([{ ...row, comparisons }])).toEqual([
      ['w, u', '130 (90 to 200)', '100 (100 to 100): floor', '1.30 × (0.90 to 2.00)', '≥ 2 ×', 'missed'],
    ]);
  });

  it('draws a plot as SVG', () => {
    const axis = { title: 'n', scale: 'log' } as const;
    const series = [
      {
        name: 'us',
        points: [
          [1, 2],
          [10, 3],
        ],
      },
    ] as const;
    expect(svgOf({ name: 'p', title: 'Cost', x: axis, y: axis, series })).toMatch(
      /^<svg [\s\S]*Cost[\s\S]*<\/svg>\s*$/,
    );
  });
});
