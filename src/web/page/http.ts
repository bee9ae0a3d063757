/** Calls of the API. Who has no session (any more) is sent to log in, and back here. */

/** Its message is for the reader: the API's own `detail`, or that nobody answered. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed';
  /** `null`: no answer. */
  readonly status: number | null;

  constructor(status: number | null, message: string, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

const DEADLINE_MS = 10_000;

/** @throws CallFailed when it was refused, or nobody answered within {@link DEADLINE_MS} */
export async function call<T>(
  path: string,
  { method = 'GET', body }: { method?: 'GET' | 'POST'; body?: object } = {},
): Promise<T> {
  let answer: Response;
  try {
    answer = await fetch(path, {
      method,
      headers: { accept: 'application/json', ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
      body: body === undefined ? null : JSON.stringify(body),
      signal: AbortSignal.timeout(DEADLINE_MS),
    });
  } catch (cause) {
    throw new CallFailed(null, `Holdfast at ${location.host} does not answer`, { cause });
  }
  if (answer.ok) return (await answer.json()) as T;
  if (answer.status === 401) logIn();
  throw new CallFailed(answer.status, await detailOf(answer));
}

function logIn(): void {
  location.assign(`/login?next=${encodeURIComponent(location.pathname)}`);
}

async function detailOf(answer: Response): Promise<string> {
  try {
    const { detail, reasons } = (await answer.json()) as { detail?: string; reasons?: readonly string[] };
    return detail ?? reasons?.join('; ') ?? `status ${answer.status}`;
  } catch {
    // A proxy in front of it answers in its own way.
    return `status ${answer.status} from ${location.host}`;
  }
}

/** For a place in words where an error is shown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
