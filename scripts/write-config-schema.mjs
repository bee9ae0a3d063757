#!/usr/bin/env node
// `npm run schema` (runs under tsx): writes infra/holdfast.schema.json; a test fails while the file is not current.
import { writeFileSync } from 'node:fs';
import { configJsonSchema } from '../src/config/json-schema.ts';

const target = new URL('../infra/holdfast.schema.json', import.meta.url);
writeFileSync(target, `${JSON.stringify(configJsonSchema(), null, 2)}\n`);
