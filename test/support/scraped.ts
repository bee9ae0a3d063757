/** The text format of Prometheus as a test reads it: strictly, so that a line Prometheus would refuse fails here, too. */
export interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"(?:,|$)/y;

/** @throws Error on a line that is none of the format's, or a series that is there twice */
export function parseScrape(text: string): Sample[] {
  const series = new Set<string>();
  return text.split('\n').flatMap((line) => {
    if (line === '' || /^# (HELP|TYPE) /.test(line)) return [];
    const [, name, labels = '', value = ''] = SAMPLE.exec(line) ?? [];
    if (name === undefined || Number.isNaN(numberOf(value))) throw new Error(`not a sample: ${line}`);
    const identity = `${name}{${labels}}`;
    if (series.has(identity)) throw new Error(`twice: ${identity}`);
    series.add(identity);
    return { name, labels: parseLabels(labels), value: numberOf(value) };
  });
}

/** The sum of all series that have these labels; `null` when there is none. */
export function total(samples: readonly Sample[], name: string, labels: Sample['labels'] = {}): number | null {
  const found = samples.filter(
    (sample) => sample.name === name && Object.entries(labels).every(([label, is]) => sample.labels[label] === is),
  );
  return found.length === 0 ? null : found.reduce((sum, { value }) => sum + value, 0);
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const from = LABEL.lastIndex;
    const [, name = '', value = ''] = LABEL.exec(text) ?? [];
    if (name === '') throw new Error(`not labels: ${text.slice(from)}`);
    labels[name] = value.replace(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped));
  }
  return labels;
}

function numberOf(text: string): number {
  return text === '+Inf' ? Number.POSITIVE_INFINITY : text === '-Inf' ? Number.NEGATIVE_INFINITY : Number(text);
}
