/** What may be asked of a connection: buttons, the question before, and what became of it. */
import { useState } from 'preact/hooks';
import { type Asked, answerTo, VERB_WORDS, type Verb, verbsFor } from './asked.ts';
import { ConfirmDialog } from './confirm-dialog.tsx';
import type { ConnectionStatus, WorkerStatus } from './documents.ts';
import { call } from './http.ts';
import { redisNow } from './news.ts';
import { isReadOnly } from './visitor.ts';
import { instant } from './words.ts';

export function Actions({ connection, workers }: { connection: ConnectionStatus; workers: readonly WorkerStatus[] }) {
  const [open, setOpen] = useState<Verb | null>(null);
  const [asked, setAsked] = useState<Asked | null>(null);
  if (isReadOnly) {
    return (
      <p>
        Nothing can be changed here: <code>http.adminToken</code> is <code>none</code>.
      </p>
    );
  }
  return (
    <section class="actions" aria-label="Actions">
      <div class="buttons">
        {verbsFor(connection).map((verb) => (
          <button key={verb} type="button" class="button" onClick={() => setOpen(verb)}>
            {VERB_WORDS[verb].button} …
          </button>
        ))}
      </div>
      <p role="status" class="answer">
        {asked !== null && <AnswerLine asked={asked} connection={connection} />}
      </p>
      {open !== null && (
        <AskDialog
          key={open}
          verb={open}
          connection={connection}
          workers={workers}
          done={setAsked}
          close={() => setOpen(null)}
        />
      )}
    </section>
  );
}

function AnswerLine({ asked, connection }: { asked: Asked; connection: ConnectionStatus }) {
  const { done, text } = answerTo(asked, connection, redisNow.value, instant(asked.at, asked.at));
  return <span class={done ? 'done' : ''}>{text}</span>;
}

interface AskDialogProps {
  readonly verb: Verb;
  readonly connection: ConnectionStatus;
  readonly workers: readonly WorkerStatus[];
  done(asked: Asked): void;
  close(): void;
}

function AskDialog({ verb, connection: { id, owner, fencingToken }, workers, done, close }: AskDialogProps) {
  const [to, setTo] = useState('');
  const words = VERB_WORDS[verb];
  const act = async () => {
    const at = redisNow.peek();
    const body = verb === 'handoff' && to !== '' ? { to } : {};
    const { withinMs } = await call<{ withinMs: number }>(`/api/connections/${encodeURIComponent(id)}/${verb}`, {
      method: 'POST',
      body,
    });
    done({ verb, at, withinMs, tokenBefore: fencingToken, ownerBefore: owner });
  };
  const takers = workers.filter((worker) => worker.roles.includes('connections') && worker.id !== owner);
  return (
    <ConfirmDialog title={`${words.title} ${id}?`} verb={words.button} act={act} close={close}>
      <p>{words.means}</p>
      {verb === 'handoff' && (
        <label class="field">
          New owner
          <select value={to} onChange={({ currentTarget }) => setTo(currentTarget.value)}>
            <option value="">anybody but {owner ?? 'its owner'}</option>
            {takers.map((worker) => (
              <option key={worker.id} value={worker.id}>
                {worker.id} ({worker.connections} held)
              </option>
            ))}
          </select>
        </label>
      )}
    </ConfirmDialog>
  );
}
