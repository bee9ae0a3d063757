/** A question before something is done. The browser's own modal dialog: it keeps the focus, and Esc closes it. */
import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { messageOf } from './http.ts';

export interface ConfirmDialogProps {
  readonly title: string;
  /** The word on the button. */
  readonly verb: string;
  readonly children: ComponentChildren;
  /** Its error is shown, and the dialog stays. */
  act(): Promise<void>;
  /** Also after it was done. */
  close(): void;
}

export function ConfirmDialog({ title, verb, children, act, close }: ConfirmDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const [problem, setProblem] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const heading = useId();
  useEffect(() => {
    const opener = document.activeElement;
    dialog.current?.showModal();
    return () => {
      if (opener instanceof HTMLElement && opener.isConnected) opener.focus();
    };
  }, []);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      await act();
      dialog.current?.close();
    } catch (error) {
      setProblem(messageOf(error));
      setBusy(false);
    }
  };
  return (
    <dialog ref={dialog} aria-labelledby={heading} onClose={close}>
      <form onSubmit={(event) => void submit(event)}>
        <h2 id={heading}>{title}</h2>
        {children}
        {problem !== null && (
          <p role="alert" class="problem">
            {problem}
          </p>
        )}
        <div class="buttons">
          <button type="button" class="button" onClick={() => dialog.current?.close()}>
            Cancel
          </button>
          <button type="submit" class="button primary" aria-disabled={busy}>
            {busy ? 'Asking …' : verb}
          </button>
        </div>
      </form>
    </dialog>
  );
}
