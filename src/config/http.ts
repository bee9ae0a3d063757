/** Where the web role listens, and who may come in. */
import { z } from 'zod';
import { hostPort } from '../http/proxy/proxy-url.ts';
import { keysOf, text, yesOrNo } from './fields.ts';
import { LEFT_OUT } from './left-out.ts';

/** Taken where `http.port` says nothing. */
const DEFAULT_HTTP_PORT = 8_420;
/** Spelled out in place of a token. */
const NOBODY = 'none';
/** What is shorter can be guessed, characters. */
const SHORT_TOKEN = 16;

const httpKeys = keysOf({
  enabled: yesOrNo(true, 'Whether "up" answers HTTP.'),
  host: text('Address to listen on; any but a loopback address needs adminToken.', 'host: 127.0.0.1').default(
    '127.0.0.1',
  ),
  // Without a default here: a taken port is an error only where it was asked for.
  port: z
    .int({ error: 'must be a whole number, without quotes' })
    .min(0, { error: 'must be at least 0' })
    .max(65_535, { error: 'must be at most 65535' })
    .optional()
    .describe(`Port to listen on; 0: any. Left out: ${DEFAULT_HTTP_PORT}, and "up" does without when that is taken.`),
  adminToken: text(
    `Token that everything but the health checks asks for. Left out: one is made at the first start. ${NOBODY}: everybody on this machine may read, and nobody change anything.`,
    'adminToken: ${HOLDFAST_ADMIN_TOKEN}',
  ).optional(),
}).check((context) => {
  const { enabled, host, adminToken } = context.value;
  if (!enabled || isLoopback(host)) return;
  const problem = openToOthers(adminToken);
  if (problem !== null) context.issues.push({ code: 'custom', input: undefined, ...problem });
});

/** What would let anybody in who reaches an address that is not this machine's alone. */
function openToOthers(adminToken: string | undefined): { path: string[]; message: string } | null {
  if (adminToken === undefined || adminToken === NOBODY) {
    const message =
      'is no loopback address, so whoever reaches it could read all and stop connections: set http.adminToken (for example ${HOLDFAST_ADMIN_TOKEN}, or adminTokenFile), or remove host';
    return { path: ['host'], message };
  }
  if (adminToken === LEFT_OUT || adminToken.length >= SHORT_TOKEN) return null;
  const message = `is shorter than ${SHORT_TOKEN} characters, and http.host is no loopback address, so it can be guessed from elsewhere: make one with "openssl rand -hex 24"`;
  return { path: ['adminToken'], message };
}

export const httpSchema = z
  .union([z.literal(false), httpKeys], { error: 'must be false, or a group of keys: host, port, adminToken' })
  .prefault({})
  .describe('The web role: health checks, API and queues over HTTP. false: "up" answers none.');

/** Who may come in. Never leaves the process. */
export type HttpAccess =
  /** Who knows this token; empty when loaded without secrets. */
  | { readonly kind: 'configured'; readonly token: string }
  /** Who knows the token that was made at the first start. */
  | { readonly kind: 'made' }
  /** Everybody on this machine, for reading. */
  | { readonly kind: 'none' };

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** The configuration names it, so nothing else will do. */
  readonly portChosen: boolean;
  readonly access: HttpAccess;
}

/** What listens on all addresses is reached on this one. */
const EVERYWHERE: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
]);

/** Where it is reached from this machine, without a slash at the end. */
export function localUrl({ host, port }: HttpConfig): string {
  return `http://${hostPort(EVERYWHERE.get(host) ?? host, port)}`;
}

/** @returns `null` when it is switched off */
export function httpConfig(parsed: z.output<typeof httpSchema>, withSecrets: boolean): HttpConfig | null {
  if (parsed === false || !parsed.enabled) return null;
  const { host, port, adminToken } = parsed;
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port: port ?? DEFAULT_HTTP_PORT,
    portChosen: port !== undefined,
    access: accessBy(adminToken, withSecrets),
  };
}

function accessBy(adminToken: string | undefined, withSecrets: boolean): HttpAccess {
  if (adminToken === undefined) return { kind: 'made' };
  if (adminToken === NOBODY) return { kind: 'none' };
  return { kind: 'configured', token: withSecrets ? adminToken : '' };
}

/** @returns the token, which is a secret; `null` when the configuration has none */
export function tokenOf(parsed: z.output<typeof httpSchema>): string | null {
  if (parsed === false || parsed.adminToken === undefined || parsed.adminToken === NOBODY) return null;
  return parsed.adminToken;
}

/** Legal, and probably not what was meant. */
export function* httpWarnings(parsed: z.output<typeof httpSchema>): Generator<string> {
  const token = tokenOf(parsed);
  if (token !== null && token !== LEFT_OUT && token.length < SHORT_TOKEN) {
    yield `http.adminToken: shorter than ${SHORT_TOKEN} characters can be guessed; make one with "openssl rand -hex 24"`;
  }
}

/** Of the names only "localhost", which the system must resolve to this machine (RFC 6761, 6.3). */
function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
