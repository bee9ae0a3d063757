/** The page that asks a person for the admin token, or takes a login code, and begins a session for it. No script. */
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import type { Keys } from '../state/keys.ts';
import type { RedisClient } from '../state/redis.ts';
import { useLoginCode } from '../state/web-access.ts';
import { askRedis } from './ask-redis.ts';
import { type Door, refuseOtherSites } from './guard.ts';
import { CODE_GOOD_FOR_MS, isLoginCode } from './login-code.ts';
import type { PageAssets } from './pages.ts';

const START_PAGE = '/';

/** Nothing but the form and the style of all pages. */
const POLICY = [
  "default-src 'none'",
  "style-src 'self'",
  "img-src 'self'",
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** A path of ours, without anything that could lead elsewhere or out of an attribute, and without steps back. */
const next = z
  .string()
  .max(512)
  .regex(/^\/(?!\/)[\w/.~-]*$/)
  .transform((path) => new URL(path, 'http://holdfast').pathname)
  .refine((path) => !path.startsWith('//'))
  .catch(START_PAGE);

export interface LoginOptions {
  readonly door: Door;
  readonly token: string;
  readonly client: RedisClient;
  readonly keys: Keys;
  readonly signal: AbortSignal;
  readonly assets: PageAssets;
}

export async function installLogin(root: FastifyInstance, options: LoginOptions): Promise<void> {
  const { door, assets } = options;
  await root.register(formbody, { bodyLimit: 4_096 });
  const app = root.withTypeProvider<ZodTypeProvider>();
  app.addHook('onRequest', async (request) => refuseOtherSites(request));

  const query = z.object({ next: next.optional(), code: z.string().max(128).optional() });
  app.get(
    '/login',
    // Who only asks for headers uses no code up.
    { exposeHeadRoute: false, schema: { hide: true, querystring: query } },
    async (request, reply) => {
      const { next = START_PAGE, code } = request.query;
      // Nor does a browser that looks ahead.
      const looksAhead = request.headers['sec-purpose'] !== undefined;
      if (code === undefined || looksAhead) return await showForm(reply, assets, next, null);
      if (!(await takeCode(request, code, options))) {
        return await showForm(
          reply.code(401),
          assets,
          next,
          'This link was used already, or is older than 10 minutes.',
        );
      }
      await door.sessions.begin(request, reply);
      return await reply.redirect(next, 303);
    },
  );

  const body = z.object({ token: z.string().max(1_024), next });
  app.post('/login', { schema: { hide: true, body } }, async (request, reply) => {
    const { token, next } = request.body;
    if (!(await door.check.matches(token.trim(), request.ip))) {
      request.log.warn({ event: 'web.refused', address: request.ip }, 'a wrong admin token');
      return await showForm(reply.code(401), assets, next, 'That is not the admin token.');
    }
    await door.sessions.begin(request, reply);
    return await reply.redirect(next, 303);
  });

  app.post('/logout', { schema: { hide: true } }, async (request, reply) => {
    await door.sessions.end(request, reply);
    return await reply.redirect('/login', 303);
  });
}

/** @throws HttpProblem 429 after too many wrong ones; TransientError when Redis cannot say whether it was used */
async function takeCode(
  request: FastifyRequest,
  code: string,
  { door, token, client, keys, signal }: LoginOptions,
): Promise<boolean> {
  if (
    isLoginCode(code, token, Date.now()) &&
    (await askRedis(signal, () => useLoginCode(client, keys, code, CODE_GOOD_FOR_MS)))
  )
    return true;
  await door.check.failed(request.ip);
  request.log.warn({ event: 'web.refused', address: request.ip }, 'a login code that is no longer good');
  return false;
}

async function showForm(
  reply: FastifyReply,
  { style, icon }: PageAssets,
  next: string,
  problem: string | null,
): Promise<FastifyReply> {
  const alert = problem === null ? '' : `<p role="alert" id="problem">${problem}</p>`;
  const described = problem === null ? '' : ' aria-invalid="true" aria-describedby="problem"';
  return await reply
    .header('content-security-policy', POLICY)
    .header('cache-control', 'no-store')
    .type('text/html; charset=utf-8')
    .send(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Log in · Holdfast</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<main class="login">
<h1>Holdfast</h1>
<form method="post" action="/login" class="card">
<label for="token">Admin token</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus${described}>
<input type="hidden" name="next" value="${next}">
${alert}<button class="button primary">Log in</button>
<p><code>holdfast login</code> prints a link that needs no token. The token is <code>http.adminToken</code> of the
configuration, or else in the file that the log names.</p>
</form>
</main>
</html>
`);
}
