/** "Does my bot answer, and if not, why, and what do I do?" */
import type { Trouble as BrokenLink } from './documents.ts';
import { isSilent, overview } from './news.ts';
import { StateMark } from './state-mark.tsx';
import { Countdown, Since } from './ticking.tsx';
import { ANSWERED, judge, type Notice, type TroubledConnection } from './verdict.ts';

/** More would push the connections themselves off the screen. */
const SHOWN = 3;

export function TopLine() {
  if (overview.value === null) return <h1 class="headline">Asking …</h1>;
  const { tone, headline, troubled, broken, notices } = judge(overview.value);
  const tense = isSilent.value ? 'When last heard: ' : '';
  return (
    <section class={`verdict ${isSilent.value ? 'unsure' : tone}`} aria-label="Verdict">
      <h1 class="headline">
        <span role="status">
          {tense}
          {headline}
        </span>
      </h1>
      {troubled.slice(0, SHOWN).map((each) => (
        <Trouble key={each.connection.id} {...each} />
      ))}
      {troubled.length > SHOWN && <p>and {troubled.length - SHOWN} more, first in the list below</p>}
      {broken.slice(0, SHOWN).map((each) => (
        <Broken key={`${each.kind} ${each.subject}`} {...each} />
      ))}
      {broken.length > SHOWN && (
        <p>
          and {broken.length - SHOWN} more: see <code>holdfast status</code>
        </p>
      )}
      {notices.length > 0 && (
        <ul class="notices">
          {notices.map((notice) => (
            <NoticeLine key={notice.text} {...notice} />
          ))}
        </ul>
      )}
    </section>
  );
}

function Trouble({ connection: { id, state, since, reason, nextAttemptAt }, advice }: TroubledConnection) {
  return (
    <div class="trouble">
      <p>
        <StateMark state={state} /> <a href={`/connections/${encodeURIComponent(id)}`}>{id}</a>
        {since !== null && (
          <>
            {' '}
            for <Since at={since} />
          </>
        )}
        : <span class="reason">{reason ?? 'no reason was given'}</span>
        {nextAttemptAt !== null && (
          <>
            {' '}
            · {NEXT[state]} <Countdown at={nextAttemptAt} />
          </>
        )}
      </p>
      <p class="todo">
        <strong>What to do:</strong> {advice.todo} <a href={advice.href}>Runbook</a>
      </p>
    </div>
  );
}

/** A link between a message and its answer. */
function Broken({ subject, connection, reason, advice, since, until }: BrokenLink) {
  return (
    <div class="trouble">
      <p>
        {connection === null ? (
          <b>{subject}</b>
        ) : (
          <a href={`/connections/${encodeURIComponent(connection)}`}>{subject}</a>
        )}
        {since !== null && (
          <>
            {' '}
            for <Since at={since} />
          </>
        )}
        : <span class="reason">{reason}</span>
        {until !== null && (
          <>
            {' '}
            · goes on <Countdown at={until} />
          </>
        )}
      </p>
      <p class="todo">
        <strong>What to do:</strong> {advice}. <a href={ANSWERED}>Runbook</a>
      </p>
    </div>
  );
}

/** What `nextAttemptAt` is the instant of. */
export const NEXT = {
  live: 'next',
  connecting: 'given up',
  waiting: 'next attempt',
  unowned: 'next look',
  parked: 'next probe',
  paused: 'next',
} as const;

function NoticeLine({ text, href }: Notice) {
  return (
    <li>
      {text} <a href={href}>{href.startsWith('/docs/runbook') ? 'Runbook' : 'Look'}</a>
    </li>
  );
}
