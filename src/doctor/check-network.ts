/** Can this host reach what its connections speak to: names, proxies, and an answer of any kind at the end of the way. */
import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import { explain } from '../errors.ts';
import { createRouter, describeRoute, type ProxyEnvironment, type Route } from '../http/proxy/route.ts';
import { createTransport } from '../http/transport.ts';
import type { JsonValue } from '../model.ts';
import { type Finding, fail, ok, skipped } from './finding.ts';
import type { Check } from './run-checks.ts';

/** A connection with what this host knows of it. */
export interface Reachable {
  readonly id: string;
  readonly options: JsonValue;
  readonly secrets: Readonly<Record<string, string>>;
}

const LOOKUP_MS = 4_000;
const ANSWER_MS = 6_000;

interface Way {
  readonly origin: string;
  readonly proxy: string | undefined;
  readonly route: Route;
  readonly ids: string[];
}

/** One for each place and way to it, however many connections share them. */
export function networkChecks(connections: readonly Reachable[], environment: ProxyEnvironment): Check[] {
  return [...waysOf(connections, environment)].flatMap((way) => {
    const subject = named(way.ids);
    return [
      { check: 'dns', subject, run: async () => [await dnsFinding(way, subject)] },
      { check: 'route', subject, run: async (signal) => [await routeFinding(way, environment, subject, signal)] },
    ] satisfies Check[];
  });
}

function waysOf(connections: readonly Reachable[], environment: ProxyEnvironment): Iterable<Way> {
  const ways = new Map<string, Way>();
  for (const { id, options, secrets } of connections) {
    const { proxy } = secrets;
    const router = createRouter({ proxy, environment });
    for (const origin of originsIn(options)) {
      const key = `${origin} ${proxy ?? ''}`;
      const known = ways.get(key);
      if (known === undefined) ways.set(key, { origin, proxy, route: router(new URL(origin)), ids: [id] });
      else known.ids.push(id);
    }
  }
  return ways.values();
}

function originsIn(options: JsonValue): Set<string> {
  const values = typeof options === 'object' && options !== null ? Object.values(options) : [];
  const urls = values.filter((value) => typeof value === 'string' && /^https?:\/\//.test(value) && URL.canParse(value));
  return new Set(urls.map((url) => new URL(url as string).origin));
}

const NAMED = 3;

function named(ids: readonly string[]): string {
  if (ids.length <= NAMED) return ids.join(', ');
  return `${ids.slice(0, NAMED).join(', ')} and ${ids.length - NAMED} more`;
}

/** Through an HTTP proxy or socks5h the name is the proxy's business, and its own name is ours. */
async function dnsFinding({ origin, route }: Way, subject: string): Promise<Finding> {
  const whose = route.kind === 'direct' ? '' : 'the proxy ';
  const host = route.kind === 'direct' ? new URL(origin).hostname.replace(/^\[|\]$/g, '') : route.proxy.host;
  if (isIP(host) !== 0) return skipped('dns', `${whose}${host} is an address already`, { subject });
  const fix = 'try "getent hosts" with it here; then look at /etc/resolv.conf, or at the name itself';
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${LOOKUP_MS} ms`)), LOOKUP_MS);
  });
  try {
    const found = await Promise.race([lookup(host, { all: true }), late]);
    return ok('dns', `${whose}${host} has ${found.length === 1 ? 'an address' : `${found.length} addresses`}`, {
      subject,
    });
  } catch (error) {
    return fail('dns', `${whose}${host}: ${explain(error)}`, fix, { subject });
  } finally {
    clearTimeout(timer);
  }
}

async function routeFinding(
  { origin, proxy, route }: Way,
  environment: ProxyEnvironment,
  subject: string,
  signal: AbortSignal,
): Promise<Finding> {
  const transport = createTransport({ proxy, environment });
  const way = describeRoute(route);
  try {
    const request = { method: 'GET', url: `${origin}/`, what: 'GET /', deadlineMs: ANSWER_MS } as const;
    const { status } = await transport.http.request(request, { signal });
    return ok('route', `${new URL(origin).host} answers (HTTP ${status}), ${way === 'direct' ? way : `by ${way}`}`, {
      subject,
    });
  } catch (error) {
    return fail('route', `${new URL(origin).host}: ${explain(error)}`, fixFor(explain(error), route), { subject });
  } finally {
    await transport.destroy();
  }
}

function fixFor(reason: string, route: Route): string {
  if (route.kind === 'direct') {
    return /certificate|TLS|SSL/i.test(reason)
      ? 'if something on the way reads TLS, give its authority in NODE_EXTRA_CA_CERTS; else look at the certificate'
      : 'try curl with it here: firewall, network, or a proxy that this host needs (proxy, HTTPS_PROXY)';
  }
  if (/407|401|authentication/i.test(reason))
    return 'correct user and password in the proxy of the connection, or in HTTPS_PROXY';
  if (/403|does not allow|not allowed/i.test(reason))
    return 'allow host and port of the platform in the rules of the proxy';
  return 'try curl -x with that proxy: docs/errors.md has a row for each reason. Is a proxy meant at all (HTTPS_PROXY, NO_PROXY)?';
}
