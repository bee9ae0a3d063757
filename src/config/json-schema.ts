/** The JSON Schema for editors, made from the schema that checks the file. `npm run schema` writes it to infra/. */
import { z } from 'zod';
import { configSchema } from './schema.ts';
import { SECRET_KEYS } from './secret-keys.ts';

type Node = { [key: string]: unknown };

export function configJsonSchema(): Node {
  const schema = z.toJSONSchema(configSchema, { io: 'input', target: 'draft-7' }) as Node;
  return withFileKeys({
    $schema: schema.$schema,
    title: 'Holdfast configuration',
    description: 'holdfast.yaml. Text may hold ${NAME}: an environment variable. See docs/configuration.md.',
    ...schema,
  }) as Node;
}

/** Adds `<key>File` beside each key that may come from a file, and asks for one of the two where the key is required. */
function withFileKeys(node: unknown, path: readonly string[] = []): unknown {
  if (Array.isArray(node)) return node.map((each) => withFileKeys(each, path));
  if (typeof node !== 'object' || node === null) return node;
  const copy = Object.fromEntries(
    Object.entries(node).map(([key, each]) => [key, withFileKeys(each, [...path, key])]),
  ) as Node;
  if (typeof copy.properties !== 'object' || path.at(-1) === 'properties') return copy;
  const properties = copy.properties as Node;
  const required = new Set(copy.required as string[] | undefined);
  const either: Node[] = [];
  for (const key of Object.keys(properties)) {
    if (!SECRET_KEYS.has(key) && !(key === 'url' && path.at(-1) === 'redis')) continue;
    properties[`${key}File`] = { type: 'string', description: `Path of a file that holds ${key}.` };
    if (required.delete(key)) either.push({ anyOf: [{ required: [key] }, { required: [`${key}File`] }] });
  }
  if (either.length > 0) Object.assign(copy, { required: [...required], allOf: either });
  return copy;
}
