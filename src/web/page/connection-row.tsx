/** One connection on the status page. */

import type { ConnectionStatus } from './documents.ts';
import { StateMark } from './state-mark.tsx';
import { StripChart } from './strip-chart.tsx';
import { Age, Countdown, Since } from './ticking.tsx';
import { timeline, timelineProblem } from './timeline.ts';
import { TimelineWords } from './timeline-list.tsx';
import { NEXT } from './top-line.tsx';
import { number, platformName } from './words.ts';

export function ConnectionRow({ connection }: { connection: ConnectionStatus }) {
  const { id, platform } = connection;
  return (
    <li class={`card connection is-${connection.state}`} data-connection={id}>
      <div class="who">
        <StateMark state={connection.state} />
        <h3>
          <a href={`/connections/${encodeURIComponent(id)}`}>{id}</a>
        </h3>
        <span class="quiet">{platformName(platform)}</span>
        {connection.since !== null && (
          <span class="quiet">
            for <Since at={connection.since} />
          </span>
        )}
      </div>
      <Why connection={connection} />
      <Evidence connection={connection} />
      <DayChart id={id} />
      <Counters counters={connection.counters} />
    </li>
  );
}

export function Why({
  connection: { state, reason, remark, nextAttemptAt, attempt },
}: {
  connection: ConnectionStatus;
}) {
  if (reason === null && remark === null && nextAttemptAt === null) return null;
  return (
    <p class="why">
      {reason !== null && <span class="reason">{reason}</span>}
      {remark !== null && <span class="remark">{remark}</span>}
      {nextAttemptAt !== null && (
        <span class="next">
          {NEXT[state]} <Countdown at={nextAttemptAt} />
          {attempt > 0 && `, attempt ${number(attempt)}`}
        </span>
      )}
    </p>
  );
}

export function Evidence({
  connection: { lastRoundTripAgeMs, lastEventAgeMs, owner, fencingToken, route },
}: {
  connection: ConnectionStatus;
}) {
  return (
    <dl class="facts evidence">
      <div>
        <dt>round trip</dt>
        <dd class="age">
          <Age ms={lastRoundTripAgeMs} />
        </dd>
      </div>
      <div>
        <dt>last message</dt>
        <dd class="age">
          <Age ms={lastEventAgeMs} />
        </dd>
      </div>
      <div>
        <dt>owner</dt>
        <dd>{owner ?? '–'}</dd>
      </div>
      <div>
        <dt>fencing token</dt>
        <dd>{fencingToken ?? '–'}</dd>
      </div>
      <div>
        <dt>route</dt>
        <dd>{route ?? '–'}</dd>
      </div>
    </dl>
  );
}

export function DayChart({ id }: { id: string }) {
  const current = timeline.value;
  const line = current?.connections.find((one) => one.id === id);
  if (current === null || line === undefined) {
    return <p class="day quiet">{timelineProblem.value ?? 'The last 24 h are being read.'}</p>;
  }
  return (
    <div class="day">
      <StripChart timeline={current} line={line} />
      <TimelineWords timeline={current} line={line} />
    </div>
  );
}

const COUNTERS = [
  ['events', 'messages'],
  ['duplicates', 'duplicates'],
  ['resumed', 'resumed'],
  ['identified', 'new sessions'],
  ['takeovers', 'takeovers'],
  ['gaps', 'gaps'],
  ['malformed', 'malformed'],
  ['staleWrites', 'late writes refused'],
] as const;

export function Counters({ counters }: Pick<ConnectionStatus, 'counters'>) {
  return (
    <dl class="facts counters">
      {COUNTERS.map(([key, word]) => (
        <div key={key} class={counters[key] === 0 ? 'zero' : ''}>
          <dt>{word}</dt>
          <dd>{number(counters[key])}</dd>
        </div>
      ))}
    </dl>
  );
}
