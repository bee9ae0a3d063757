/** Does the web role answer where the configuration says? */
import { type HttpAccess, type HttpConfig, localUrl } from '../config.ts';
import { explain } from '../errors.ts';
import { createTransport } from '../http/transport.ts';
import { type Finding, ok, skipped, warn } from './finding.ts';

const ANSWER_MS = 4_000;

const GUARDS: Readonly<Record<HttpAccess['kind'], string>> = {
  configured: 'with the admin token of the configuration',
  made: 'with the admin token that was made at the first start ("holdfast login" prints a link)',
  none: 'without a token: everybody on this machine may read, and nobody change anything',
};

export async function httpFinding(http: HttpConfig | null, signal: AbortSignal): Promise<Finding> {
  if (http === null) return skipped('http', 'the web role is switched off (http: false)');
  if (http.port === 0) return skipped('http', 'http.port is 0: any; the log says where it answers ("event":"web")');
  const url = localUrl(http);
  const guard = GUARDS[http.access.kind];
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
