/** 24 h of one connection: its states as a strip, what happened as marks, and messages per minute below. */
import { area, curveStepAfter } from 'd3-shape';
import { timeTicks } from 'd3-time';
import type { ConnectionTimeline, Mark, Span, TimelineDocument, TimelineState } from './documents.ts';
import { gather } from './message-bins.ts';
import { lengthOf, SPAN_WORDS, summarise } from './timeline-words.ts';
import { useWidth } from './use-width.ts';
import { instant, number, span, timeOfDay } from './words.ts';

const STRIP = { top: 9, height: 20 };
const MARKS_AT = STRIP.top + STRIP.height + 7;
const RATE = { top: MARKS_AT + 12, height: 26 };
const AXIS_AT = RATE.top + RATE.height + 13;
const HEIGHT = AXIS_AT + 4;
/** An outage of a second must be seen among 86,400. */
const LEAST_WIDTH = 2;
const TICK_EVERY_PX = 110;
const BIN_PX = 3;

const MARK_SHAPES: Readonly<Record<Mark['kind'], string>> = {
  takeover: 'M0-4 4.5 4h-9Z',
  handoff: 'M0-4.5 4.5 0 0 4.5-4.5 0Z',
  restart: 'M-3.5-3.5h7v7h-7Z',
  deploy: 'M-1-4.5h2v9h-2Z',
  gap: 'M-4-2.5-2.5-4 0-1.5 2.5-4 4-2.5 1.5 0 4 2.5 2.5 4 0 1.5-2.5 4-4 2.5-1.5 0Z',
  identified: 'M0-3.5a3.5 3.5 0 1 0 0 7 3.5 3.5 0 0 0 0-7Z',
};

export interface StripChartProps {
  readonly timeline: TimelineDocument;
  readonly line: ConnectionTimeline;
}

export function StripChart({ timeline, line }: StripChartProps) {
  const { element, width } = useWidth<HTMLElement>();
  return (
    <figure class="strip" ref={element}>
      {width > 0 && <Drawing timeline={timeline} line={line} width={width} />}
    </figure>
  );
}

function Drawing({ timeline, line, width }: StripChartProps & { width: number }) {
  const end = Date.parse(timeline.at);
  const start = Date.parse(timeline.fromAt);
  const x = (time: number) => ((time - start) / (end - start)) * width;
  const at = (text: string) => x(Date.parse(text));
  // Short ones last, or what is longer would hide them.
  const spans = [...line.spans].sort(
    (a, b) => Number(b.state === 'live') - Number(a.state === 'live') || lengthOf(b) - lengthOf(a),
  );
  return (
    <svg width={width} height={HEIGHT} role="img" aria-label={`The last day of ${line.id}: ${summarise(line)}`}>
      {timeline.deploys.map((deploy) => (
        <line
          key={`${deploy.at} ${deploy.worker}`}
          class="deploy"
          x1={at(deploy.at)}
          x2={at(deploy.at)}
          y1={0}
          y2={MARKS_AT + 5}
        >
          <title>{`${instant(Date.parse(deploy.at), end)} ${deploy.worker} ${deploy.what}`}</title>
        </line>
      ))}
      <rect class="span-ground" x={0} y={STRIP.top} width={width} height={STRIP.height} rx={3} />
      {spans.map((each) => (
        <SpanRect key={`${each.from} ${each.state}`} span={each} from={at(each.from)} to={at(each.to)} end={end} />
      ))}
      {line.marks.map((mark) => (
        <path
          key={`${mark.at} ${mark.kind}`}
          class={`mark mark-${mark.kind}`}
          d={MARK_SHAPES[mark.kind]}
          transform={`translate(${clampTo(at(mark.at), 5, width - 5)} ${MARKS_AT})`}
        >
          <title>{`${instant(Date.parse(mark.at), end)} ${mark.kind}: ${mark.text}`}</title>
        </path>
      ))}
      <Rate perMinute={line.messagesPerMinute} width={width} />
      {timeTicks(new Date(start), new Date(end), Math.floor(width / TICK_EVERY_PX)).map((tick) => (
        <text
          key={tick.getTime()}
          class="tick"
          x={clampTo(x(tick.getTime()), 16, width - 16)}
          y={AXIS_AT}
          text-anchor="middle"
        >
          {timeOfDay(tick.getTime())}
        </text>
      ))}
    </svg>
  );
}

/** Height and pattern say the same as the colour. */
const SPAN_HEIGHT: Readonly<Record<TimelineState, number>> = {
  live: 1,
  connecting: 1,
  down: 1,
  parked: 1,
  paused: 0.4,
  unknown: 0.12,
};

function SpanRect({
  span: { from: fromAt, to: toAt, state },
  from,
  to,
  end,
}: {
  span: Span;
  from: number;
  to: number;
  end: number;
}) {
  const height = STRIP.height * SPAN_HEIGHT[state];
  const y = STRIP.top + (STRIP.height - height) / 2;
  const width = state === 'live' ? Math.max(0, to - from) : Math.max(LEAST_WIDTH, to - from);
  const ms = Date.parse(toAt) - Date.parse(fromAt);
  const title = `${SPAN_WORDS[state]} ${instant(Date.parse(fromAt), end)} to ${instant(Date.parse(toAt), end)} (${span(ms)})`;
  return (
    <>
      <rect class={`span span-${state}`} x={from} y={y} width={width} height={height}>
        <title>{title}</title>
      </rect>
      {(state === 'connecting' || state === 'down' || state === 'parked') && (
        <rect class="span-pattern" x={from} y={y} width={width} height={height} fill={`url(#pattern-${state})`} />
      )}
    </>
  );
}

function Rate({ perMinute, width }: { perMinute: readonly (number | null)[]; width: number }) {
  const bins = gather(perMinute, Math.floor(width / BIN_PX));
  const most = Math.max(1, ...bins.map((each) => each ?? 0));
  const y = (value: number) => RATE.top + RATE.height * (1 - value / most);
  const step = width / bins.length;
  const shape = area<number | null>(
    (_, index) => index * step,
    y(0),
    (value) => y(value ?? 0),
  )
    .defined((value) => value !== null)
    .curve(curveStepAfter);
  const busiest = perMinute.reduce<number>((max, each) => Math.max(max, each ?? 0), 0);
  return (
    <>
      <line class="rate-ground" x1={0} x2={width} y1={y(0) + 0.5} y2={y(0) + 0.5} />
      <path class="rate" d={shape([...bins, bins.at(-1) ?? null]) ?? ''} />
      <text class="tick" x={width} y={RATE.top + 8} text-anchor="end">
        {busiest === 0 ? 'no messages' : `up to ${number(busiest)}/min`}
      </text>
    </>
  );
}

function clampTo(value: number, least: number, most: number): number {
  return Math.max(least, Math.min(most, value));
}

/** Patterns that all charts of a page share. */
export function ChartPatterns() {
  return (
    <svg class="patterns" width="0" height="0" aria-hidden="true">
      <defs>
        <pattern
          id="pattern-connecting"
          width="6"
          height="6"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect width="2" height="6" class="pattern-ink" />
        </pattern>
        <pattern id="pattern-down" width="5" height="5" patternUnits="userSpaceOnUse">
          <path d="M0 0 5 5M5 0 0 5" class="pattern-line" />
        </pattern>
        <pattern id="pattern-parked" width="4" height="4" patternUnits="userSpaceOnUse">
          <rect width="4" height="1.5" class="pattern-ink" />
        </pattern>
      </defs>
    </svg>
  );
}

const LEGEND_SPANS: readonly TimelineState[] = ['live', 'connecting', 'down', 'parked', 'paused', 'unknown'];
const LEGEND_MARKS: readonly (readonly [Mark['kind'], string])[] = [
  ['takeover', 'takeover'],
  ['handoff', 'handoff'],
  ['deploy', 'deploy'],
  ['restart', 'restart'],
  ['identified', 'new session'],
  ['gap', 'gap'],
];

export function Legend() {
  return (
    <ul class="legend" aria-label="Signs of the charts">
      {LEGEND_SPANS.map((state) => (
        <li key={state}>
          <svg width="18" height="12" aria-hidden="true">
            <rect class="span-ground" width="18" height="12" rx="2" />
            <rect
              class={`span span-${state}`}
              y={6 * (1 - SPAN_HEIGHT[state])}
              width="18"
              height={12 * SPAN_HEIGHT[state]}
            />
            <rect class="span-pattern" width="18" height="12" fill={patternOf(state)} />
          </svg>
          {SPAN_WORDS[state]}
        </li>
      ))}
      {LEGEND_MARKS.map(([kind, word]) => (
        <li key={kind}>
          <svg width="12" height="12" viewBox="-6 -6 12 12" aria-hidden="true">
            <path class={`mark mark-${kind}`} d={MARK_SHAPES[kind]} />
          </svg>
          {word}
        </li>
      ))}
      <li>
        <svg width="12" height="12" aria-hidden="true">
          <line class="deploy" x1="6" x2="6" y1="0" y2="12" />
        </svg>
        worker joined or left
      </li>
    </ul>
  );
}

function patternOf(state: TimelineState): string {
  return state === 'connecting' || state === 'down' || state === 'parked' ? `url(#pattern-${state})` : 'none';
}
