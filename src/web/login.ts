/** The page that asks a person for the admin token, and begins a session for it. No script. */
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { refuseOtherSites, type TokenCheck } from './guard.ts';
import type { PageAssets } from './pages.ts';
import { beginSession, endSession } from './session.ts';

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

/** A path of ours, without anything that could lead elsewhere or out of an attribute. */
const next = z
  .string()
  .regex(/^\/(?!\/)[\w/.~-]*$/)
  .catch(START_PAGE);

export async function installLogin(root: FastifyInstance, check: TokenCheck, assets: PageAssets): Promise<void> {
  await root.register(formbody, { bodyLimit: 4_096 });
  const app = root.withTypeProvider<ZodTypeProvider>();
  app.addHook('onRequest', async (request) => refuseOtherSites(request));

  app.get(
    '/login',
    { schema: { hide: true, querystring: z.object({ next: next.optional() }) } },
    async (request, reply) => showForm(reply, assets, request.query.next ?? START_PAGE, null),
  );

  const body = z.object({ token: z.string().max(1_024), next });
  app.post('/login', { schema: { hide: true, body } }, async (request, reply) => {
    const { token, next } = request.body;
    if (!(await check.matches(token.trim(), request.ip))) {
      request.log.warn({ event: 'web.refused', address: request.ip }, 'a wrong admin token');
      return await showForm(reply.code(401), assets, next, 'That is not the admin token.');
    }
    beginSession(request, reply);
    return await reply.redirect(next, 303);
  });

  app.post('/logout', { schema: { hide: true } }, async (request, reply) => {
    endSession(request, reply);
    return await reply.redirect('/login', 303);
  });
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
<label for="token">Admin token (<code>http.adminToken</code>)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus${described}>
<input type="hidden" name="next" value="${next}">
${alert}<button class="button primary">Log in</button>
</form>
</main>
</html>
`);
}
