/**
 * An incoming webhook as Slack has them; Mattermost, Rocket.Chat, Zulip and Discord (`…/slack`) take the same body. Its URL
 * is the secret. It knows no idempotency key: what is sent again after a lost answer shows twice.
 *
 * @see https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks, read 2026-11-22
 */
import type { HttpClient } from '../../http/client.ts';
import { RECEIPT, SEND_DEADLINE_MS, type Sink } from './sink.ts';
import { expectReceipt } from './webhook.ts';

export interface SlackSinkOptions {
  readonly name: string;
  readonly url: string;
  readonly http: HttpClient;
}

export function createSlackSink({ name, url, http }: SlackSinkOptions): Sink {
  return {
    name,
    worksWithoutRedis: true,
    async send({ text }, { signal }) {
      const call = {
        method: 'POST',
        url,
        json: { text: escaped(text) },
        deadlineMs: SEND_DEADLINE_MS,
        ...RECEIPT,
      } as const;
      expectReceipt(await http.request({ ...call, what: 'alert to Slack' }, { signal }), 'the Slack webhook');
      return { kind: 'sent' };
    },
  };
}

/** The three characters that Slack reads as markup of its own: a platform's words must not mention everybody. */
function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
