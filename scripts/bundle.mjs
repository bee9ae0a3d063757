#!/usr/bin/env node
/**
 * The last step of `npm run build`: joins the compiled command line and its dependencies into a few files under
 * dist/bin, and puts the Redis scripts beside whatever loads them. Node spends two thirds of a start on finding and
 * reading some 1500 small files, and a start is what a takeover waits for when no other worker is left.
 */
import { chmodSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const path = (relative) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

/** Told by the names of their classes, in logs and where a client's error is recognised. */
const NAMED_ERRORS = ['TransientError', 'FatalError', 'FencedError', 'ConfigError', 'HttpFailure', 'ReplyError'];

const { metafile } = await build({
  entryPoints: { holdfast: path('dist/cli.js') },
  outdir: path('dist/bin/'),
  bundle: true,
  // What a command does not need (BullMQ for `status`, the OpenAI client for the echo agent) stays unread.
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  // Not `keepNames`: it defines a name on each closure that is made, which then has a hidden class and properties of its
  // own. A held connection consists of some fifty closures: that was a third of its memory.
  sourcemap: true,
  logLevel: 'warning',
  metafile: true,
  // CommonJS dependencies ask for Node's own modules by `require`.
  banner: {
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
});
// Chunks of earlier builds. What is current was overwritten in place: a command that starts meanwhile finds it whole.
const current = new Set(Object.keys(metafile.outputs).map((file) => basename(file)));
for (const entry of readdirSync(path('dist/bin/'), { withFileTypes: true })) {
  if (entry.isFile() && !current.has(entry.name)) rmSync(join(path('dist/bin/'), entry.name));
}
const bundled = [...current].filter((file) => file.endsWith('.js'));
const text = bundled.map((file) => readFileSync(join(path('dist/bin/'), file), 'utf8')).join('\n');
for (const name of NAMED_ERRORS) {
  if (!text.includes(`var ${name} = class extends `)) throw new Error(`the bundle calls ${name} by another name`);
}
for (const to of [path('dist/state/scripts/'), path('dist/bin/scripts/')]) {
  mkdirSync(to, { recursive: true });
  const from = path('src/state/scripts/');
  for (const name of readdirSync(from)) if (name.endsWith('.lua')) cpSync(from + name, to + name);
}
writeFileSync(path('dist/cli.js'), "#!/usr/bin/env node\nimport './bin/holdfast.js';\n");
chmodSync(path('dist/cli.js'), 0o755);
