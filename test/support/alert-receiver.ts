/** A real receiver of alert webhooks, which checks signatures as a careful one would and misbehaves on request. */
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Notification } from '../../src/alerts/alert.ts';

export interface Delivered {
  readonly notification: Notification;
  /** What a Slack-compatible receiver shows. */
  readonly text: string | undefined;
  readonly idempotencyKey: string | undefined;
  readonly accepted: boolean;
}

type Mode = 'accept' | 'fail' | 'hang';

export interface AlertReceiver extends AsyncDisposable {
  readonly url: string;
  readonly secret: string;
  /** Every request that came, in order; what is wrongly signed stands in {@link forged}. */
  readonly calls: readonly Delivered[];
  readonly accepted: readonly Delivered[];
  readonly forged: number;
  /** `hang`: the request is read and never answered. */
  mode: Mode;
}

export async function startAlertReceiver(): Promise<AlertReceiver> {
  const secret = 'the-secret-of-the-alert-receiver';
  const calls: Delivered[] = [];
  const hanging: ServerResponse[] = [];
  let forged = 0;
  let mode: Mode = 'accept';
  const server = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (chunk: string) => {
      body += chunk;
    });
    request.on('end', () => {
      const timestamp = String(request.headers['x-holdfast-timestamp'] ?? '');
      const expected = `sha256=${createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')}`;
      const recent = Math.abs(Date.now() / 1_000 - Number(timestamp)) < 60;
      // Slack's kind of webhook is not signed: its path is the secret.
      const genuine = request.url === '/slack' || (recent && request.headers['x-holdfast-signature'] === expected);
      if (!genuine) {
        forged += 1;
        response.writeHead(401).end();
        return;
      }
      const key = request.headers['idempotency-key'];
      const json = JSON.parse(body) as Notification & { text?: string };
      calls.push({
        notification: json,
        text: json.text,
        idempotencyKey: typeof key === 'string' ? key : undefined,
        accepted: mode === 'accept',
      });
      if (mode === 'hang') hanging.push(response);
      else response.writeHead(mode === 'accept' ? 204 : 503).end();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    secret,
    calls,
    get accepted() {
      return calls.filter(({ accepted }) => accepted);
    },
    get forged() {
      return forged;
    },
    get mode() {
      return mode;
    },
    set mode(wanted: Mode) {
      mode = wanted;
    },
    async [Symbol.asyncDispose]() {
      for (const response of hanging) response.destroy();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
