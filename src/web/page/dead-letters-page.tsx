/** What could not be answered or sent, and another try for it. */
import { signal } from '@preact/signals';
import { useEffect, useState } from 'preact/hooks';
import { ConfirmDialog } from './confirm-dialog.tsx';
import type { DeadMessage } from './documents.ts';
import { Frame } from './frame.tsx';
import { call, messageOf } from './http.ts';
import { overview } from './news.ts';
import { At } from './ticking.tsx';
import { isReadOnly } from './visitor.ts';
import { plural } from './words.ts';

type Letters =
  | { readonly kind: 'asking' }
  | { readonly kind: 'known'; readonly letters: readonly DeadMessage[] }
  | { readonly kind: 'failed'; readonly message: string };

const found = signal<Letters>({ kind: 'asking' });

async function ask(): Promise<void> {
  try {
    found.value = { kind: 'known', letters: await call<readonly DeadMessage[]>('/api/messages/dead') };
  } catch (error) {
    found.value = { kind: 'failed', message: messageOf(error) };
  }
}

const OUTCOMES: Readonly<Record<string, string>> = {
  unknown: 'may have arrived',
  'too-late': 'too late for the platform',
  rejected: 'refused by the platform',
  'agent-refused': 'refused by the agent',
  crashed: 'handling it crashed again and again',
};

const KINDS: Readonly<Record<DeadMessage['kind'], string>> = {
  turn: 'question to the agent',
  send: 'reply',
  event: 'event of the platform, as it came',
};

export function DeadLettersPage() {
  const [retrying, setRetrying] = useState<DeadMessage | null>(null);
  const [answer, setAnswer] = useState('');
  const total = overview.value?.deadLetters.total;
  useEffect(() => void ask(), [total]);
  const letters = found.value;
  return (
    <Frame title="Dead letters">
      <h1 class="headline">{headlineOf(letters)}</h1>
      <p class="quiet">
        Messages that could not be answered, and replies that could not be sent or may not have arrived; the newest 100
        of each connection. <a href="/docs/runbook.html#dead-letters">Runbook</a>
      </p>
      <p role="status" class="answer">
        {answer}
      </p>
      {letters.kind === 'known' && (
        <ul class="connections">
          {letters.letters.map((letter) => (
            <Letter key={letter.id} letter={letter} retry={() => setRetrying(letter)} />
          ))}
        </ul>
      )}
      {retrying !== null && <RetryDialog letter={retrying} done={setAnswer} close={() => setRetrying(null)} />}
    </Frame>
  );
}

function headlineOf(letters: Letters): string {
  switch (letters.kind) {
    case 'asking':
      return 'Asking …';
    case 'failed':
      return letters.message;
    case 'known':
      return letters.letters.length === 0 ? 'No dead letters' : plural(letters.letters.length, 'dead letter');
    default:
      return letters satisfies never;
  }
}

function Letter({ letter, retry }: { letter: DeadMessage; retry(): void }) {
  const { id, connection, at, kind, outcome, code, reason, text, conversation } = letter;
  return (
    <li class="card letter">
      <div class="row">
        <h2>
          {OUTCOMES[outcome] ?? outcome} <code>{code}</code>
        </h2>
        {kind !== 'event' && !isReadOnly && (
          <button type="button" class="button" onClick={retry} aria-label={`Try ${id} again`}>
            Try again …
          </button>
        )}
      </div>
      <blockquote>{text}</blockquote>
      <p class="reason">{reason}</p>
      <p class="quiet">
        {KINDS[kind]} · <At at={at} /> · <a href={`/connections/${encodeURIComponent(connection)}`}>{connection}</a> ·{' '}
        {conversation} · <code>{id}</code>
      </p>
    </li>
  );
}

function RetryDialog({
  letter: { id, kind, outcome },
  done,
  close,
}: {
  letter: DeadMessage;
  done(answer: string): void;
  close(): void;
}) {
  const act = async () => {
    await call(`/api/messages/dead/${id.split('/').map(encodeURIComponent).join('/')}/retry`, {
      method: 'POST',
      body: {},
    });
    done(`${id} is back in its conversation, and is tried with the next sweep.`);
    await ask();
  };
  return (
    <ConfirmDialog title="Try it again?" verb="Try again" act={act} close={close}>
      <p>
        {kind === 'turn' ? 'The agent is asked again.' : 'The reply is sent again.'} The letter leaves this list; it
        comes back when it fails again.
      </p>
      {outcome === 'unknown' && (
        <p>
          <strong>It may have arrived already:</strong> whoever waits for it would get it twice. Look in the chat first.
        </p>
      )}
    </ConfirmDialog>
  );
}
