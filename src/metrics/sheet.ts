/**
 * One scrape: a registry that is filled from what was read and then forgotten. Nothing is kept between scrapes, so two
 * at once do not mix, and what is gone (a connection, a worker) is gone from the next one.
 */
import { Counter, Gauge, type Histogram, type MetricValueWithName, Registry } from 'prom-client';
import { CATALOG, type MetricEntry, type MetricName } from './catalog.ts';

export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

export type Labels = Readonly<Record<string, string>>;

/** A histogram that was counted elsewhere. */
export interface CountedHistogram {
  /** Upper bounds, s, ascending. */
  readonly bounds: readonly number[];
  /** Per bound how many fell between it and the one before; one more for what is above all of them. */
  readonly buckets: readonly number[];
  /** s */
  readonly sum: number;
}

export class Sheet {
  readonly #registry = new Registry();
  readonly #metrics = new Map<MetricName, Gauge | Counter>();
  readonly #histograms = new Map<MetricName, MetricValueWithName<string>[]>();

  /** @param value - nothing is written for `null`: an absent series says "unknown", a number would claim something */
  put(name: MetricName, value: number | null, labels: Labels = {}): void {
    if (value === null) return;
    const metric = this.#metrics.get(name) ?? this.#open(name);
    if (metric instanceof Counter) metric.inc(labels, value);
    else metric.set(labels, value);
  }

  putHistogram(name: MetricName, histogram: CountedHistogram, labels: Labels): void {
    const values = this.#histograms.get(name) ?? this.#openHistogram(name);
    const count = histogram.buckets.reduce((sum, of) => sum + of, 0);
    let upTo = 0;
    for (const [index, bound] of histogram.bounds.entries()) {
      upTo += histogram.buckets[index] ?? 0;
      values.push({ metricName: `${name}_bucket`, labels: { ...labels, le: bound }, value: upTo });
    }
    values.push(
      { metricName: `${name}_bucket`, labels: { ...labels, le: '+Inf' }, value: count },
      { metricName: `${name}_sum`, labels, value: histogram.sum },
      { metricName: `${name}_count`, labels, value: count },
    );
  }

  /** In the text format of Prometheus. */
  text(): Promise<string> {
    return this.#registry.metrics();
  }

  #open(name: MetricName): Gauge | Counter {
    const { type, help, labels }: MetricEntry = CATALOG[name];
    const options = { name, help, labelNames: [...labels], registers: [this.#registry] };
    const metric = type === 'counter' ? new Counter(options) : new Gauge(options);
    this.#metrics.set(name, metric);
    return metric;
  }

  /** prom-client's own histograms can only be observed into; a registry takes whatever answers `get`. */
  #openHistogram(name: MetricName): MetricValueWithName<string>[] {
    const values: MetricValueWithName<string>[] = [];
    const { help } = CATALOG[name];
    const get = async () => ({ name, help, type: 'histogram', aggregator: 'sum', values });
    this.#registry.registerMetric({ name, get } as unknown as Histogram);
    this.#histograms.set(name, values);
    return values;
  }
}
