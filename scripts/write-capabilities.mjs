#!/usr/bin/env node
// `npm run capabilities` (runs under tsx): writes docs/what-can-be-lost.md; a test fails while the file is not current.
import { writeFileSync } from 'node:fs';
import { lossPage } from '../src/adapters/loss-table.ts';
import { createAdapters } from '../src/run/adapters.ts';

const target = new URL('../docs/what-can-be-lost.md', import.meta.url);
writeFileSync(target, lossPage([...createAdapters().values()]));
