/** What editors and people are told about the configuration is what the code does. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { configJsonSchema } from '../../../src/config/json-schema.ts';

const read = (path: string) => readFileSync(new URL(`../../../${path}`, import.meta.url), 'utf8');

type Node = {
  properties?: Record<string, Node>;
  items?: Node;
  anyOf?: Node[];
  oneOf?: Node[];
  allOf?: Node[];
  default?: unknown;
  required?: string[];
};

/** Every key below `node`, as docs/configuration.md writes it. */
function* keysBelow(node: Node, path = ''): Generator<{ key: string; schema: Node }> {
  for (const [name, schema] of Object.entries(node.properties ?? {})) {
    const key = path === '' ? name : `${path}.${name}`;
    yield { key, schema };
    yield* keysBelow(schema, key);
  }
  for (const branch of [...(node.anyOf ?? []), ...(node.oneOf ?? [])]) yield* keysBelow(branch, path);
  if (node.items !== undefined) yield* keysBelow(node.items, `${path}[]`);
}

const keys = [...keysBelow(configJsonSchema() as Node)];

describe('infra/holdfast.schema.json', () => {
  it('is current (npm run schema)', () => {
    expect(JSON.parse(read('infra/holdfast.schema.json'))).toEqual(configJsonSchema());
  });

  it('lets a secret come from a file instead', () => {
    const connection = (configJsonSchema() as Node).properties?.connections?.items?.oneOf?.[0];
    expect(connection?.required).not.toContain('clientSecret');
    expect(connection?.allOf).toContainEqual({
      anyOf: [{ required: ['clientSecret'] }, { required: ['clientSecretFile'] }],
    });
  });
});

describe('docs/configuration.md', () => {
  const docs = read('docs/configuration.md');
  const keyTables = docs.slice(docs.indexOf('## Keys'));
  // Platforms share names of keys, each with a default of its own.
  const rows = new Map<string, string[]>();
  for (const [, key = '', fallback = ''] of keyTables.matchAll(/^\| `([^`]+)` \|[^|]*\|([^|]*)\|/gm)) {
    rows.set(key, [...(rows.get(key) ?? []), fallback.trim()]);
  }
  const groups = new Set(['redis', 'log', 'timings', 'agent', 'alerts', 'http', 'runtime']);

  it.each(
    keys
      .filter(({ key }) => !groups.has(key) && !key.endsWith('File'))
      .map(({ key, schema }) => [key, schema] as const),
  )('has %s with its default', (key, schema) => {
    expect([...rows.keys()]).toContain(key);
    const { default: fallback } = schema;
    if (fallback === undefined || typeof fallback === 'object') return;
    expect(rows.get(key)).toContain(`\`${fallback}\``);
  });

  it('has no key that does not exist', () => {
    const known = new Set(keys.map(({ key }) => key));
    expect([...rows.keys()].filter((key) => key !== undefined && !known.has(key))).toEqual([]);
  });

  it('shows an example that is YAML', () => {
    const example = /```yaml\n([\s\S]*?)```/.exec(docs)?.[1] ?? '';
    expect(parse(example)).toMatchObject({ connections: [{ id: 'qq-main', appId: '102000000' }] });
  });
});
