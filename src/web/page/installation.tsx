/** What carries the connections: workers, scheduler, queues, Redis. */
import type { AgentStatus, OverviewDocument, QueueOverview, WorkerStatus } from './documents.ts';
import { Scroll } from './scroll.tsx';
import { Age } from './ticking.tsx';
import { number, plural } from './words.ts';

export function Installation({ overview }: { overview: OverviewDocument }) {
  return (
    <div class="panels">
      <Workers workers={overview.status.workers} />
      <Queues overview={overview} />
      <Foundation overview={overview} />
    </div>
  );
}

function Workers({ workers }: { workers: readonly WorkerStatus[] }) {
  return (
    <section class="card" aria-labelledby="workers">
      <h2 id="workers">Workers</h2>
      {workers.length === 0 ? (
        <p>No worker is alive.</p>
      ) : (
        <ul class="rows">
          {workers.map((worker) => (
            <WorkerRow key={worker.id} {...worker} />
          ))}
        </ul>
      )}
    </section>
  );
}

const LAG_HIGH_MS = 200;

function WorkerRow({ id, roles, connections, capacity, eventLoopLagMs }: WorkerStatus) {
  const holds = roles.includes('connections');
  return (
    <li>
      <div class="row">
        <b>{id}</b>
        <span class={eventLoopLagMs >= LAG_HIGH_MS ? 'high' : ''}>
          loop lag {number(Math.round(eventLoopLagMs))} ms
        </span>
      </div>
      <div class="row quiet">
        <span>{roles.join(', ')}</span>
        {holds && (
          <span>
            {number(connections)} of {number(capacity)} held
          </span>
        )}
      </div>
      {holds && <meter aria-label={`${id}: connections held`} min={0} max={capacity} value={connections} />}
    </li>
  );
}

function Queues({ overview }: { overview: OverviewDocument }) {
  const { queues, backlog } = overview;
  const { agents } = overview.status;
  return (
    <section class="card" aria-labelledby="queues">
      <h2 id="queues">
        <a href="/admin/queues">Queues</a>
      </h2>
      <Scroll labelledBy="queues">
        <table>
          <thead>
            <tr>
              <th scope="col">queue</th>
              <th scope="col">active</th>
              <th scope="col">waiting</th>
              <th scope="col">delayed</th>
              <th scope="col">failed</th>
            </tr>
          </thead>
          <tbody>
            {queues.map((queue) => (
              <QueueRow key={queue.name} {...queue} />
            ))}
          </tbody>
        </table>
      </Scroll>
      <p>
        {plural(backlog.lanes, 'conversation')} with messages for the agent
        {backlog.oldestLaneAgeMs !== null && (
          <>
            , the oldest for <Age ms={backlog.oldestLaneAgeMs} />
          </>
        )}
        ; {plural(backlog.outboxes, 'conversation')} with replies to send
      </p>
      {agents.map((agent) => (
        <AgentLine key={agent.name} {...agent} />
      ))}
    </section>
  );
}

function AgentLine({ name, kind, running, places, lastAnswerAgeMs, failing }: AgentStatus) {
  return (
    <p>
      Agent {name}
      {kind === null ? '' : ` (${kind})`}: {number(running)} of {number(places)} turns run
      {lastAnswerAgeMs !== null && (
        <>
          , last answer <Age ms={lastAnswerAgeMs} /> ago
        </>
      )}
      {failing !== null && <span class="high"> {failing.kind === 'away' ? 'is away' : failing.kind}</span>}
    </p>
  );
}

function QueueRow({ name, active, waiting, delayed, failed, settings }: QueueOverview) {
  return (
    <tr>
      <th scope="row">
        {name}
        {settings.length > 0 && <span class="high"> {settings.join(', ')}</span>}
      </th>
      <td>{number(active)}</td>
      <td>{number(waiting)}</td>
      <td>{number(delayed)}</td>
      <td class={failed > 0 ? 'high' : ''}>{number(failed)}</td>
    </tr>
  );
}

function Foundation({ overview: { status, redis, deadLetters, version } }: { overview: OverviewDocument }) {
  const { lastSweepAgeMs, worker } = status.scheduler;
  return (
    <section class="card" aria-labelledby="foundation">
      <h2 id="foundation">Scheduler and Redis</h2>
      <dl class="pairs">
        <dt>last sweep</dt>
        <dd>{lastSweepAgeMs === null ? 'never' : <Age ms={lastSweepAgeMs} />}</dd>
        <dt>by</dt>
        <dd>{worker ?? '–'}</dd>
        <dt>Redis</dt>
        <dd>{redis.up ? 'answers' : 'does not answer'}</dd>
        <dt>durability</dt>
        <dd>{DURABILITY[redis.durability] ?? redis.durability}</dd>
        <dt>memory</dt>
        <dd>
          {redis.usedMemoryShare === null
            ? 'no limit set'
            : `${Math.round(redis.usedMemoryShare * 100)} % of its limit`}
        </dd>
        <dt>dead letters</dt>
        <dd>
          <a href="/dead-letters">{deadLetters.total === 0 ? 'none' : number(deadLetters.total)}</a>
        </dd>
        <dt>Holdfast</dt>
        <dd>{version}</dd>
      </dl>
    </section>
  );
}

/** What a power cut of its machine costs. */
const DURABILITY: Readonly<Record<string, string>> = {
  'fsync always': 'every write is on disk',
  everysec: 'a power cut costs up to 1 s',
  'no fsync': 'a power cut costs what the system had not written',
  none: 'nothing is kept over a restart',
};
