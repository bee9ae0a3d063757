import type { z } from 'zod';

/** One line for each problem: `key: what is wrong; what to do`. */
export function problemLines(issues: readonly z.core.$ZodIssue[], document: unknown): string[] {
  return issues.flatMap((issue) => issueLines(issue, document));
}

function issueLines(issue: z.core.$ZodIssue, document: unknown): string[] {
  // `keysOf` packs several unknown keys into one message.
  if (issue.code === 'unrecognized_keys') {
    return issue.message.split('\u0001').map((part) => {
      const [key = '', problem = ''] = part.split('\u0000');
      return `${keyPath([...issue.path, key], document)}: ${problem}`;
    });
  }
  const inner = deepestMatch(issue);
  if (inner !== undefined) {
    return inner.flatMap((each) => issueLines({ ...each, path: [...issue.path, ...each.path] }, document));
  }
  return [`${keyPath(issue.path, document)}: ${issue.message}`];
}

/** For a union of groups: when exactly one branch failed below its top, that is the one that was meant. */
function deepestMatch(issue: z.core.$ZodIssue): z.core.$ZodIssue[] | undefined {
  if (issue.code !== 'invalid_union') return undefined;
  const meant = issue.errors.filter((branch) =>
    branch.every((each) => each.path.length > 0 || each.code === 'unrecognized_keys' || each.code === 'custom'),
  );
  const [only] = meant;
  return meant.length === 1 && only !== undefined && only.length > 0 ? only : undefined;
}

/** `connections[0] (qq-main).appId`: the index to find it in the file, the id to recognise it. */
export function keyPath(path: readonly PropertyKey[], document: unknown): string {
  if (path.length === 0) return 'the configuration';
  let shown = '';
  let at: unknown = document;
  for (const [depth, part] of path.entries()) {
    at = typeof at === 'object' && at !== null ? (at as Record<PropertyKey, unknown>)[part] : undefined;
    shown += typeof part === 'number' ? `[${part}]` : `${shown === '' ? '' : '.'}${String(part)}`;
    if (depth === 1 && path[0] === 'connections') shown += nameOf(at);
  }
  return shown;
}

function nameOf(connection: unknown): string {
  const id = typeof connection === 'object' && connection !== null && 'id' in connection ? connection.id : undefined;
  return typeof id === 'string' && id !== '' ? ` (${id})` : '';
}
