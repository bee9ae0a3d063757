/**
 * A URL of somebody's own: one signed POST per notification, which is the body as it is ({@link Notification}, JSON).
 * Signature and timestamp: see http/signature.ts; `Idempotency-Key` is the notification's id, the same in every attempt.
 * Any answer 2xx is a receipt; everything else is tried again.
 */
import { TransientError } from '../../errors.ts';
import type { HttpAnswer, HttpClient } from '../../http/client.ts';
import { signatureHeaders } from '../../http/signature.ts';
import { RECEIPT, SEND_DEADLINE_MS, type Sink } from './sink.ts';

export interface WebhookSinkOptions {
  readonly name: string;
  readonly url: string;
  readonly secret: string;
  readonly http: HttpClient;
}

export function createWebhookSink({ name, url, secret, http }: WebhookSinkOptions): Sink {
  return {
    name,
    worksWithoutRedis: true,
    async send(notification, { signal }) {
      const headers = {
        'idempotency-key': notification.id,
        ...signatureHeaders(secret, JSON.stringify(notification), Date.now()),
      };
      const call = {
        method: 'POST',
        url,
        headers,
        json: notification,
        deadlineMs: SEND_DEADLINE_MS,
        ...RECEIPT,
      } as const;
      expectReceipt(await http.request({ ...call, what: 'alert webhook' }, { signal }), 'the alert webhook');
      return { kind: 'sent' };
    },
  };
}

/** @throws TransientError for every answer but 2xx */
export function expectReceipt({ status, retryAfterMs }: HttpAnswer, who: string): void {
  if (status >= 200 && status < 300) return;
  throw new TransientError('HTTP_STATUS', `${who} answered HTTP ${status}`, {
    ...(retryAfterMs === null ? {} : { retryAfterMs }),
  });
}
