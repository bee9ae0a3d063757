/** Does the web role answer where the configuration says? */
import type { HttpConfig } from '../config.ts';
import { explain } from '../errors.ts';
import { hostPort } from '../http/proxy/proxy-url.ts';
import { createTransport } from '../http/transport.ts';
import { type Finding, ok, skipped, warn } from './finding.ts';

const ANSWER_MS = 4_000;
/** What listens on all addresses answers on this one. */
const EVERYWHERE: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

export async function httpFinding(http: HttpConfig | null, signal: AbortSignal): Promise<Finding> {
  if (http === null) return skipped('http', 'the web role is switched off (http: false)');
  if (http.port === 0) return skipped('http', 'http.port is 0: any; the log says where it answers ("event":"web")');
  const url = `http://${hostPort(EVERYWHERE.get(http.host) ?? http.host, http.port)}`;
  const guard = http.adminToken === null ? 'no token: only this machine gets in' : 'with an admin token';
  // Our own machine is asked, whatever proxies there are.
  const transport = createTransport({ proxy: 'direct', environment: {} });
  try {
    const request = { method: 'GET', url: `${url}/readyz`, what: 'readyz', deadlineMs: ANSWER_MS } as const;
    const { status, json } = await transport.http.request(request, { signal });
    const reasons = (json as { reasons?: unknown } | undefined)?.reasons;
    if (!Array.isArray(reasons))
      return warn('http', `${url} is answered by something else (HTTP ${status})`, 'end it, or set another http.port');
    if (status === 200) return ok('http', `${url} answers and is ready, ${guard}`);
    return warn(
      'http',
      `${url} answers and is not ready: ${reasons.join('; ')}`,
      'see the findings about what it names',
    );
  } catch (error) {
    return skipped(
      'http',
      `${url} is not answered (${explain(error)}): no "up" or "web" runs on this host with this configuration`,
    );
  } finally {
    await transport.destroy();
  }
}
