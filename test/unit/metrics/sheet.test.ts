import { describe, expect, it } from 'vitest';
import { Sheet } from '../../../src/metrics/sheet.ts';

const lines = async (sheet: Sheet) => (await sheet.text()).split('\n').filter((line) => line !== '');

describe('a sheet', () => {
  it('has only what was put on it: nothing is 0 because nobody knew', async () => {
    const sheet = new Sheet();
    sheet.put('holdfast_redis_up', 1);
    sheet.put('holdfast_scheduler_sweep_age_seconds', null);
    expect(await lines(sheet)).toEqual([
      '# HELP holdfast_redis_up 1 when Redis answered this scrape in time, else 0',
      '# TYPE holdfast_redis_up gauge',
      'holdfast_redis_up 1',
    ]);
  });

  it('writes histograms cumulatively, one per set of labels', async () => {
    const sheet = new Sheet();
    const bounds = [0.5, 1];
    sheet.putHistogram('holdfast_turn_seconds', { bounds, buckets: [1, 2, 3], sum: 9.5 }, { platform: 'qq' });
    sheet.putHistogram('holdfast_turn_seconds', { bounds, buckets: [0, 0, 1], sum: 4 }, { platform: 'telegram' });
    const written = await lines(sheet);
    expect(written[1]).toBe('# TYPE holdfast_turn_seconds histogram');
    expect(written.slice(2, 7)).toEqual([
      'holdfast_turn_seconds_bucket{platform="qq",le="0.5"} 1',
      'holdfast_turn_seconds_bucket{platform="qq",le="1"} 3',
      'holdfast_turn_seconds_bucket{platform="qq",le="+Inf"} 6',
      'holdfast_turn_seconds_sum{platform="qq"} 9.5',
      'holdfast_turn_seconds_count{platform="qq"} 6',
    ]);
    expect(written).toHaveLength(12);
  });

  it('refuses a label that the catalog does not have', () => {
    const sheet = new Sheet();
    expect(() => sheet.put('holdfast_workers', 1, { text: 'hello' })).toThrow(/text/);
  });

  it('escapes what would break the format', async () => {
    const sheet = new Sheet();
    sheet.put('holdfast_workers', 1, { role: 'a"b\\c\nd' });
    expect((await lines(sheet)).at(-1)).toBe('holdfast_workers{role="a\\"b\\\\c\\nd"} 1');
  });
});
