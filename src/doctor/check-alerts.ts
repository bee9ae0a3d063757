/** Would somebody be told? Without being asked to, nothing is sent: that a sink answers at all is what can be seen. */
import { randomUUID } from 'node:crypto';
import type { Notification } from '../alerts/alert.ts';
import type { Sink } from '../alerts/sinks/sink.ts';
import type { AlertSinkConfig } from '../config.ts';
import { explain } from '../errors.ts';
import type { ProxyEnvironment } from '../http/proxy/route.ts';
import { createTransport } from '../http/transport.ts';
import type { StatusDocument } from '../status/document.ts';
import { type Finding, fail, ok, skipped, warn } from './finding.ts';

const ANSWER_MS = 6_000;

/** @param status - `null`: it cannot be read */
export async function sinkReachable(
  sink: AlertSinkConfig,
  environment: ProxyEnvironment,
  status: StatusDocument | null,
  signal: AbortSignal,
): Promise<Finding> {
  const about = { subject: sink.name };
  if (sink.kind === 'chat') {
    if (status === null) return skipped('alerts', 'it goes through a connection, whose state cannot be read', about);
    const carrier = status.connections.find(({ id }) => id === sink.connection);
    if (carrier?.state === 'live') return ok('alerts', `${sink.connection}, which carries it, is live`, about);
    return warn(
      'alerts',
      `${sink.connection}, which carries it, is ${carrier?.state ?? 'unknown'}`,
      'see "connection"; add a sink that does not need it',
      about,
    );
  }
  const { origin, host } = new URL(sink.kind === 'webhook' ? sink.url : sink.webhookUrl);
  const transport = createTransport({ proxy: sink.proxy, environment });
  try {
    const request = { method: 'GET', url: `${origin}/`, what: 'GET /', deadlineMs: ANSWER_MS } as const;
    const { status: code } = await transport.http.request(request, { signal });
    return ok('alerts', `${host} answers (HTTP ${code}); "doctor --alerts" sends a test notification`, about);
  } catch (error) {
    return fail(
      'alerts',
      `${host}: ${explain(error)}`,
      'look after that host and the way to it: alerts wait, and nobody is told',
      about,
    );
  } finally {
    await transport.destroy();
  }
}

/** Really sends. */
export async function sinkTakes(sink: Sink, status: StatusDocument | null, signal: AbortSignal): Promise<Finding> {
  const about = { subject: sink.name };
  try {
    const outcome = await sink.send(testNotification(new Date()), { status, signal });
    if (outcome.kind === 'skipped') return skipped('alerts', outcome.reason, about);
    return ok('alerts', 'the test notification was taken: look whether it has arrived', about);
  } catch (error) {
    return fail('alerts', explain(error), 'correct the sink in alerts.sinks; until then nobody is told there', about);
  }
}

/** @param at - by the clock of this host */
function testNotification(at: Date): Notification {
  const title = 'Test by "holdfast doctor --alerts": nothing is wrong';
  return {
    id: `test-${randomUUID()}`,
    at: at.toISOString(),
    kind: 'test',
    rule: 'down',
    cause: 'test',
    subjects: [],
    title,
    text: `${title}. Somebody wanted to know whether alerts arrive here.`,
  };
}
