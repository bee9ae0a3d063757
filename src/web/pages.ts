/**
 * The pages for the browser: one shell that a script fills, the files it names, and the documentation, so that the runbook
 * is at hand where nothing else is. All of it is made by `npm run build` and tells nothing; what the pages show comes from
 * the API.
 */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import fastifyStatic, { type FastifyStaticOptions } from '@fastify/static';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';

/** Paths of what every page loads; the names of the files hold a digest of what is in them. */
export interface PageAssets {
  readonly script: string;
  readonly style: string;
  readonly icon: string;
}

/** From the source as well as from the bundle, the package is two folders up. */
const BUILT = join(dirname(createRequire(import.meta.url).resolve('../../package.json')), 'dist/page');

const PAGES = ['/', '/connections/:id', '/dead-letters'];
const ONE_YEAR = '365d';

/** Nothing from elsewhere, and no script or style in the page itself. */
const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
].join('; ');

/** @throws Error when the build left none */
export function readPageAssets(): PageAssets {
  try {
    return JSON.parse(readFileSync(join(BUILT, 'assets.json'), 'utf8')) as PageAssets;
  } catch (cause) {
    throw new Error('the pages are not built: run "npm run build"', { cause });
  }
}

/** What anybody may load, with or without a token: it is the same everywhere. */
export async function installPageFiles(open: FastifyInstance): Promise<void> {
  const files = (folder: string, options: Partial<FastifyStaticOptions>): FastifyPluginAsync => {
    return async (scope) => {
      scope.addHook('onSend', async (_request, reply, payload) => {
        reply.header('content-security-policy', POLICY);
        return payload;
      });
      await scope.register(fastifyStatic, {
        root: join(BUILT, folder),
        prefix: `/${folder}/`,
        index: false,
        ...options,
      });
    };
  };
  await open.register(files('assets', { immutable: true, maxAge: ONE_YEAR, preCompressed: true }));
  await open.register(files('docs', { extensions: ['html'] }));
}

/** Whoever looks has logged in and may change things; or everybody may look, and nobody more. */
type Visitor = 'logged-in' | 'read-only';

export function installPages(app: FastifyInstance, assets: PageAssets, visitor: Visitor): void {
  const shell = renderShell(assets, visitor);
  for (const path of PAGES) {
    app.get(path, { schema: { hide: true } }, (_request, reply) =>
      reply.header('content-security-policy', POLICY).type('text/html; charset=utf-8').send(shell),
    );
  }
}

function renderShell({ script, style, icon }: PageAssets, visitor: Visitor): string {
  return `<!doctype html>
<html lang="en" data-visitor="${visitor}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Holdfast</title>
<link rel="icon" href="${icon}" type="image/svg+xml">
<link rel="stylesheet" href="${style}">
<script type="module" src="${script}"></script>
<body>
<noscript><p>This page needs a script. <code>holdfast status</code> says the same without one.</p></noscript>
</body>
</html>
`;
}
