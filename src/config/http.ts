/** Where the web role listens, and who may come in. */
import { z } from 'zod';
import { keysOf, text, yesOrNo } from './fields.ts';

/** Taken where `http.port` says nothing. */
const DEFAULT_HTTP_PORT = 8_420;

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
    'Token that everything but the health checks asks for.',
    'adminToken: ${HOLDFAST_ADMIN_TOKEN}',
  ).optional(),
}).check((context) => {
  const { enabled, host, adminToken } = context.value;
  if (!enabled || isLoopback(host) || adminToken !== undefined) return;
  const message =
    'is no loopback address, so whoever reaches it could stop connections: set http.adminToken (for example ${HOLDFAST_ADMIN_TOKEN}, or adminTokenFile), or remove host';
  context.issues.push({ code: 'custom', input: undefined, path: ['host'], message });
});

export const httpSchema = z
  .union([z.literal(false), httpKeys], { error: 'must be false, or a group of keys: host, port, adminToken' })
  .prefault({})
  .describe('The web role: health checks, API and queues over HTTP. false: "up" answers none.');

export interface HttpConfig {
  readonly host: string;
  readonly port: number;
  /** The configuration names it, so nothing else will do. */
  readonly portChosen: boolean;
  /** `null`: none is needed, since only this machine gets in. Never leaves the process. */
  readonly adminToken: string | null;
}

/** @returns `null` when it is switched off */
export function httpConfig(parsed: z.output<typeof httpSchema>, withSecrets: boolean): HttpConfig | null {
  if (parsed === false || !parsed.enabled) return null;
  const { host, port, adminToken } = parsed;
  return {
    host: host.replace(/^\[|\]$/g, ''),
    port: port ?? DEFAULT_HTTP_PORT,
    portChosen: port !== undefined,
    adminToken: withSecrets ? (adminToken ?? null) : null,
  };
}

/** Of the names only "localhost", which the system must resolve to this machine (RFC 6761, 6.3). */
function isLoopback(host: string): boolean {
  return /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i.test(host);
}
