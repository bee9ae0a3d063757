/** Makes the programs of `bench/programs` plain JavaScript first: a loader in each process would be measured as well. */
import { cp, mkdir, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const SOURCES = fileURLToPath(new URL('../programs/', import.meta.url));
const SCRIPTS = fileURLToPath(new URL('../../src/state/scripts/', import.meta.url));
/** Below node_modules, so that packages are found from there. */
const OUT = fileURLToPath(new URL('../../node_modules/.cache/holdfast-bench/', import.meta.url));

/** @returns the path of each program by its name */
export async function buildPrograms(): Promise<(name: string) => string> {
  await mkdir(OUT, { recursive: true });
  const names = (await readdir(SOURCES)).filter((file) => file.endsWith('.ts'));
  await build({
    entryPoints: names.map((file) => join(SOURCES, file)),
    outdir: OUT,
    outExtension: { '.js': '.mjs' },
    bundle: true,
    packages: 'external',
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    logLevel: 'warning',
  });
  // Programs that use parts of Holdfast load its scripts from beside them.
  await cp(SCRIPTS, join(OUT, 'scripts'), { recursive: true });
  return (name) => join(OUT, `${name}.mjs`);
}
