/** Reads server-sent events as a browser does: fields, one event per empty line. */
import { request } from 'undici';

export interface SeenEvent {
  readonly name: string;
  // biome-ignore lint/suspicious/noExplicitAny: tests assert what is in it
  readonly data: any;
}

export async function openEvents(url: string, headers: Readonly<Record<string, string>> = {}) {
  const events: SeenEvent[] = [];
  const gone = new AbortController();
  const answer = await request(url, { headers, signal: gone.signal, headersTimeout: 10_000, bodyTimeout: 0 });
  let ended = false;
  let text = '';
  const done = (async () => {
    try {
      for await (const chunk of answer.body.setEncoding('utf8')) {
        text += chunk;
        const blocks = text.split('\n\n');
        text = blocks.pop() ?? '';
        for (const block of blocks) {
          const fields = new Map(block.split('\n').map((line) => line.split(/: (.*)/s, 2) as [string, string]));
          const data = fields.get('data');
          if (data !== undefined) events.push({ name: fields.get('event') ?? 'message', data: JSON.parse(data) });
        }
      }
    } catch {
      // Left by this side, or cut by the other; `ended` says so.
    }
    ended = true;
  })();
  return {
    status: answer.statusCode,
    headers: answer.headers,
    events,
    get ended() {
      return ended;
    },
    async [Symbol.asyncDispose]() {
      gone.abort();
      await done;
    },
  };
}
