#!/usr/bin/env node
/**
 * Builds what browsers load into dist/page: `assets` (script, style, icon, named by a digest of their contents so that
 * they may be kept for ever), `assets.json` with their paths, and `docs` (docs/*.md as pages, for a night without the
 * internet).
 */
import { cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build } from 'esbuild';
import { Marked } from 'marked';
import { gfmHeadingId } from 'marked-gfm-heading-id';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));
const OUT = path('dist/page/');
const ASSETS = path('dist/page/assets/');
const ENTRIES = ['main.tsx', 'page.css', 'icon.svg'];

const { metafile } = await build({
  entryPoints: ENTRIES.map((name) => path(`src/web/page/${name}`)),
  outdir: ASSETS,
  entryNames: '[name]-[hash]',
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'browser',
  // The first ones with `light-dark()`.
  target: ['chrome123', 'firefox120', 'safari17.5'],
  jsx: 'automatic',
  jsxImportSource: 'preact',
  loader: { '.svg': 'copy' },
  sourcemap: true,
  logLevel: 'warning',
  metafile: true,
});

const built = Object.entries(metafile.outputs).flatMap(([file, { entryPoint, inputs }]) => {
  // A file that is only copied has no entry point of its own.
  const from = entryPoint ?? Object.keys(inputs)[0];
  return file.endsWith('.map') ? [] : [{ file: basename(file), from: basename(from) }];
});
const pathOf = (name) => `/assets/${built.find(({ from }) => from === name).file}`;
const assets = { script: pathOf('main.tsx'), style: pathOf('page.css'), icon: pathOf('icon.svg') };

// Without TLS browsers take gzip only.
for (const { file } of built) writeFileSync(`${ASSETS}${file}.gz`, gzipSync(readFileSync(ASSETS + file), { level: 9 }));

const current = new Set(Object.keys(metafile.outputs).flatMap((file) => [basename(file), `${basename(file)}.gz`]));
for (const name of readdirSync(ASSETS)) if (!current.has(name)) rmSync(join(ASSETS, name));

buildDocs();
writeFileSync(join(OUT, 'assets.json'), `${JSON.stringify(assets)}\n`);

function buildDocs() {
  const names = readdirSync(path('docs/')).filter((name) => name.endsWith('.md'));
  const known = new Set(names);
  mkdirSync(join(OUT, 'docs'), { recursive: true });
  cpSync(path('docs/images/'), join(OUT, 'docs/images'), { recursive: true });
  const marked = new Marked(gfmHeadingId(), {
    renderer: {
      // What is not among the pages is said and not linked.
      link({ href, tokens }) {
        const [file, anchor] = href.split('#');
        const text = this.parser.parseInline(tokens);
        if (/^https?:/.test(href) || file === '') return `<a href="${href}">${text}</a>`;
        if (!known.has(file)) return text;
        return `<a href="${file.replace(/\.md$/, '.html')}${anchor === undefined ? '' : `#${anchor}`}">${text}</a>`;
      },
    },
  });
  for (const name of names) {
    const text = readFileSync(path(`docs/${name}`), 'utf8');
    const title = /^# (.+)$/m.exec(text)?.[1] ?? name;
    // What scrolls must be reached by keyboard.
    const body = marked
      .parse(text)
      .replaceAll('<table>', '<div class="scroll" tabindex="0" role="group"><table>')
      .replaceAll('</table>', '</table></div>')
      .replaceAll('<pre>', '<pre tabindex="0">');
    writeFileSync(join(OUT, 'docs', name.replace(/\.md$/, '.html')), documentPage(title, body));
  }
}

function documentPage(title, body) {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · Holdfast</title>
<link rel="icon" href="${assets.icon}" type="image/svg+xml">
<link rel="stylesheet" href="${assets.style}">
<header class="top"><nav aria-label="Pages"><a href="/" class="brand">Holdfast</a><a href="runbook.html">Runbook</a></nav></header>
<main class="document">
${body}</main>
</html>
`;
}
