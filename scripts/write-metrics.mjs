#!/usr/bin/env node
// `npm run metrics` (runs under tsx): writes the table of docs/metrics.md; a test fails while it is not current.
import { readFileSync, writeFileSync } from 'node:fs';
import { metricsTable } from '../src/metrics/catalog.ts';

const target = new URL('../docs/metrics.md', import.meta.url);
const [before] = readFileSync(target, 'utf8').split('<!-- table -->');
writeFileSync(target, `${before}<!-- table -->\n\n${metricsTable()}\n`);
