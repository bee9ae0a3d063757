/** What a PromQL expression asks for, by the grammar that Prometheus's own web page uses. */
import { parser } from '@prometheus-io/lezer-promql';

export interface Asked {
  readonly metrics: ReadonlySet<string>;
  readonly labels: ReadonlySet<string>;
}

/** @throws Error when the expression can not be parsed */
export function readPromql(expression: string): Asked {
  const metrics = new Set<string>();
  const labels = new Set<string>();
  parser.parse(expression).iterate({
    enter: ({ type, from, to, node }) => {
      const text = expression.slice(from, to);
      if (type.isError) throw new Error(`not PromQL at ${from}: ${expression}`);
      if (type.name === 'Identifier' && node.parent?.name === 'VectorSelector') metrics.add(text);
      if (type.name === 'LabelName') labels.add(text);
    },
  });
  return { metrics, labels };
}
