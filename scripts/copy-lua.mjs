#!/usr/bin/env node
// tsc copies no .lua files: the last step of `npm run build` puts the Redis scripts beside the compiled code that loads them.
import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const from = fileURLToPath(new URL('../src/state/scripts/', import.meta.url));
const to = fileURLToPath(new URL('../dist/state/scripts/', import.meta.url));

rmSync(to, { recursive: true, force: true });
mkdirSync(to, { recursive: true });
for (const name of readdirSync(from)) {
  if (name.endsWith('.lua')) cpSync(from + name, to + name);
}
