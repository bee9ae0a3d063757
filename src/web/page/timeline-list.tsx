/** The strip chart as a list, for a keyboard, a screen reader, and for the numbers. */
import type { StripChartProps } from './strip-chart.tsx';
import { At } from './ticking.tsx';
import { happenings, summarise } from './timeline-words.ts';

const SHOWN = 100;

export function TimelineWords({ timeline, line }: StripChartProps) {
  const all = happenings(line, timeline.deploys);
  return (
    <details class="in-words">
      <summary>
        The last day of <span>{line.id}</span> in words
      </summary>
      <p>{summarise(line)}</p>
      {all.length === 0 && <p>Nothing else happened.</p>}
      <ol>
        {all.slice(0, SHOWN).map(({ at, what, detail }) => (
          <li key={`${at} ${what} ${detail}`}>
            <At at={at} /> <b>{what}</b> {detail}
          </li>
        ))}
      </ol>
      {all.length > SHOWN && <p>and {all.length - SHOWN} more, older ones</p>}
    </details>
  );
}
