import { describe, expect, it } from 'vitest';
import { connectionId } from '../../../src/model.ts';
import { LATENCY_BOUNDS_MS, Measurements, parseLatencies } from '../../../src/state/measurements.ts';

const asHash = (counts: ReadonlyMap<string, number>) =>
  Object.fromEntries([...counts].map(([field, count]) => [field, String(count)]));

describe('measurements', () => {
  it('come back from Redis as they were taken: by name, platform and bucket, bounds included', () => {
    const measurements = new Measurements();
    measurements.took('stored', 'qq', 5);
    measurements.took('stored', 'qq', 5.1, 3);
    measurements.took('stored', 'telegram', 0.25);
    measurements.took('turn', 'qq', 3_600_000);

    const stored = parseLatencies(asHash(measurements.take().latencies));
    const of = (name: string, platform: string) => stored.find((one) => one.name === name && one.platform === platform);
    expect(stored).toHaveLength(3);
    expect(of('stored', 'qq')?.buckets.slice(0, 3)).toEqual([1, 3, 0]);
    expect(of('stored', 'qq')?.sumMs).toBeCloseTo(20.3);
    expect(of('stored', 'telegram')?.buckets[0]).toBe(1);
    expect(of('stored', 'telegram')?.sumMs).toBe(0.25);
    expect(of('turn', 'qq')?.buckets).toEqual([...LATENCY_BOUNDS_MS.map(() => 0), 1]);
  });

  it('are taken once', () => {
    const measurements = new Measurements();
    measurements.took('turn', 'qq', 1);
    measurements.reconnected(connectionId('qq-main'), 'silent');
    expect(measurements.take().latencies.size).toBe(2);
    const { latencies, reconnects } = measurements.take();
    expect([latencies.size, reconnects.size]).toEqual([0, 0]);
  });

  it('count reconnects per connection and cause', () => {
    const measurements = new Measurements();
    const id = connectionId('qq-main');
    for (const cause of ['silent', 'dial', 'silent'] as const) measurements.reconnected(id, cause);
    expect([...(measurements.take().reconnects.get(id) ?? [])]).toEqual([
      ['reconnects:silent', 2],
      ['reconnects:dial', 1],
    ]);
  });

  it('ignore what is no duration, and take a clock that went back for no time at all', () => {
    const measurements = new Measurements();
    measurements.took('turn', 'qq', Number.NaN);
    measurements.took('turn', 'qq', 10, 0);
    expect(measurements.take().latencies.size).toBe(0);
    measurements.took('turn', 'qq', -4);
    expect(parseLatencies(asHash(measurements.take().latencies))[0]).toMatchObject({ sumMs: 0 });
  });

  it('of another release with other bounds fall into the next bucket, and unknown names are left alone', () => {
    const [one, ...others] = parseLatencies({ 'turn|qq|7': '2', 'turn|qq|999999': '1', 'nonsense|qq|5': '9' });
    expect(others).toEqual([]);
    expect(one?.buckets[1]).toBe(2);
    expect(one?.buckets.at(-1)).toBe(1);
  });
});
