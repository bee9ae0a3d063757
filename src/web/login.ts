/** The page that asks a person for the admin token, and begins a session for it. No script, no file beside it. */
import { createHash } from 'node:crypto';
import formbody from '@fastify/formbody';
import type { FastifyInstance, FastifyReply } from 'fastify';
import type { ZodTypeProvider } from 'fastify-type-provider-zod';
import { z } from 'zod';
import { refuseOtherSites, type TokenCheck } from './guard.ts';
import { beginSession, endSession } from './session.ts';

const START_PAGE = '/admin/queues';

const STYLE = `
:root { color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif }
body { display: grid; place-content: center; min-height: 100vh; margin: 0 }
form { display: grid; gap: .75rem; width: min(22rem, 90vw) }
input, button { font: inherit; padding: .5rem .75rem }
[role=alert] { color: light-dark(#b00020, #ff8a80); margin: 0 }
`;

/** Nothing but the form and its style, which is named by its digest. */
const POLICY = [
  "default-src 'none'",
  `style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'`,
  "form-action 'self'",
  "frame-ancestors 'none'",
  "base-uri 'none'",
].join('; ');

/** A path of ours, without anything that could lead elsewhere or out of an attribute. */
const next = z
  .string()
  .regex(/^\/(?!\/)[\w/.~-]*$/)
  .catch(START_PAGE);

export async function installLogin(root: FastifyInstance, check: TokenCheck): Promise<void> {
  await root.register(formbody, { bodyLimit: 4_096 });
  const app = root.withTypeProvider<ZodTypeProvider>();
  app.addHook('onRequest', async (request) => refuseOtherSites(request));

  app.get(
    '/login',
    { schema: { hide: true, querystring: z.object({ next: next.optional() }) } },
    async (request, reply) => showForm(reply, request.query.next ?? START_PAGE, null),
  );

  const body = z.object({ token: z.string().max(1_024), next });
  app.post('/login', { schema: { hide: true, body } }, async (request, reply) => {
    const { token, next } = request.body;
    if (!(await check.matches(token.trim(), request.ip))) {
      request.log.warn({ event: 'web.refused', address: request.ip }, 'a wrong admin token');
      return await showForm(reply.code(401), next, 'That is not the admin token.');
    }
    beginSession(request, reply);
    return await reply.redirect(next, 303);
  });

  app.post('/logout', { schema: { hide: true } }, async (request, reply) => {
    endSession(request, reply);
    return await reply.redirect('/login', 303);
  });
}

async function showForm(reply: FastifyReply, next: string, problem: string | null): Promise<FastifyReply> {
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
<title>Holdfast: log in</title>
<style>${STYLE}</style>
<main>
<h1>Holdfast</h1>
<form method="post" action="/login">
<label for="token">Admin token (<code>http.adminToken</code>)</label>
<input id="token" name="token" type="password" autocomplete="current-password" required autofocus${described}>
<input type="hidden" name="next" value="${next}">
${alert}<button>Log in</button>
</form>
</main>
</html>
`);
}
