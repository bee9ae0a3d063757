/** One connection: what it does, where it was, what it said, and what may be asked of it. */
import { useMemo } from 'preact/hooks';
import { Actions } from './actions.tsx';
import { adviseOn } from './advice.ts';
import { Counters, DayChart, Evidence, Why } from './connection-row.tsx';
import { followDetails } from './details.ts';
import type { ConnectionDetail, ConnectionStatus } from './documents.ts';
import { Frame } from './frame.tsx';
import { describeDetail } from './history-words.ts';
import { overview } from './news.ts';
import { Scroll } from './scroll.tsx';
import { StateMark } from './state-mark.tsx';
import { Legend } from './strip-chart.tsx';
import { At, Since } from './ticking.tsx';
import { number, platformName, span } from './words.ts';

export function ConnectionPage({ id }: { id: string }) {
  const { found, problem } = useMemo(() => followDetails(id), [id]);
  const details = found.value;
  const live = overview.value?.status.connections.find((one) => one.id === id);
  const connection = live ?? (details.kind === 'known' ? details.details : undefined);
  return (
    <Frame title={connection === undefined ? id : `${id} ${connection.state}`}>
      <p class="crumbs">
        <a href="/">Status</a> / {id}
      </p>
      {connection === undefined ? (
        <h1 class="headline">{details.kind === 'none' ? details.message : (problem.value ?? 'Asking …')}</h1>
      ) : (
        <>
          <Head connection={connection} />
          <Actions connection={connection} workers={overview.value?.status.workers ?? []} />
          <div class="card all-facts">
            <Evidence connection={connection} />
            <Counters counters={connection.counters} />
          </div>
          <section class="card" aria-labelledby="day">
            <div class="section-head">
              <h2 id="day">The last 24 hours</h2>
              <Legend />
            </div>
            <DayChart id={id} />
          </section>
          {details.kind === 'known' && <Past details={details.details} />}
          {problem.value !== null && <p class="problem">Its history could not be read: {problem.value}.</p>}
        </>
      )}
    </Frame>
  );
}

function Head({ connection }: { connection: ConnectionStatus }) {
  const { id, platform, state, since } = connection;
  const advice = adviseOn(connection);
  return (
    <section
      class={`verdict ${advice === null ? 'well' : state === 'connecting' ? 'recovering' : 'trouble'}`}
      aria-label="State"
    >
      <h1 class="headline">
        {id} <span class="quiet">{platformName(platform)}</span> <StateMark state={state} />
        {since !== null && (
          <span class="quiet">
            {' '}
            for <Since at={since} />
          </span>
        )}
      </h1>
      <Why connection={connection} />
      {advice !== null && (
        <p class="todo">
          <strong>What to do:</strong> {advice.todo} <a href={advice.href}>Runbook</a>
        </p>
      )}
    </section>
  );
}

function Past({ details: { tenures, errors, log, history } }: { details: ConnectionDetail }) {
  return (
    <>
      <Tenures tenures={tenures} />
      <Errors errors={errors} />
      <Log log={log} />
      <History history={history} />
    </>
  );
}

function Tenures({ tenures }: Pick<ConnectionDetail, 'tenures'>) {
  return (
    <section class="card" aria-labelledby="tenures">
      <h2 id="tenures">Who held it</h2>
      {tenures.length === 0 && <p>Nobody yet.</p>}
      {tenures.length > 0 && (
        <Scroll labelledBy="tenures">
          <table>
            <thead>
              <tr>
                <th scope="col">worker</th>
                <th scope="col">from</th>
                <th scope="col">for</th>
                <th scope="col">how it came</th>
                <th scope="col">messages</th>
                <th scope="col">why it ended</th>
                <th scope="col">token</th>
              </tr>
            </thead>
            <tbody>
              {tenures.map(({ worker, token, startedAt, endedAt, how, endedBecause, events }) => (
                <tr key={token}>
                  <th scope="row">{worker}</th>
                  <td>
                    <At at={startedAt} />
                  </td>
                  <td>
                    {endedAt === null ? <Since at={startedAt} /> : span(Date.parse(endedAt) - Date.parse(startedAt))}
                  </td>
                  <td>{how ?? 'never live'}</td>
                  <td>{events === null ? '–' : number(events)}</td>
                  <td class="wide">{endedAt === null ? <b>holds it now</b> : (endedBecause ?? 'not said')}</td>
                  <td>{token}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
    </section>
  );
}

function Errors({ errors }: Pick<ConnectionDetail, 'errors'>) {
  return (
    <section class="card" aria-labelledby="errors">
      <h2 id="errors">Last errors</h2>
      {errors.length === 0 && <p>None.</p>}
      {errors.map(({ at, code, message, stack }) => (
        <details key={`${at} ${code}`} class="error">
          <summary>
            <At at={at} /> {code !== null && <b>{code}</b>} {message}
          </summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keyboard */}
          <pre tabIndex={0}>{stack}</pre>
        </details>
      ))}
    </section>
  );
}

function Log({ log }: Pick<ConnectionDetail, 'log'>) {
  return (
    <section class="card" aria-labelledby="log">
      <h2 id="log">Last log lines</h2>
      {log.length === 0 && <p>None.</p>}
      <ol class="lines">
        {log.map(({ at, level, event, text }, index) => (
          <li key={`${at} ${event} ${index}`} class={`level-${level}`}>
            <At at={at} /> <b>{level}</b> {event !== null && <code>{event}</code>} <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}

function History({ history }: Pick<ConnectionDetail, 'history'>) {
  return (
    <section class="card" aria-labelledby="history">
      <h2 id="history">What happened to it</h2>
      {history.length === 0 && <p>Nothing yet.</p>}
      <ol class="lines">
        {history.map(({ at, what, detail, token }, index) => (
          <li key={`${at} ${what} ${token} ${index}`}>
            <At at={at} /> <b>{what}</b> <span>{detail === null ? '' : describeDetail(detail)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
