/** Documents rot where nobody looks: their links lead somewhere, and what they list is what there is. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { EXIT } from '../../src/commands/exit-codes.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

function documents(): string[] {
  const inFolder = (folder: string) =>
    readdirSync(join(ROOT, folder))
      .filter((name) => name.endsWith('.md'))
      .map((name) => join(folder, name));
  return ['.', 'docs', 'docs/adr', 'docs/protocols'].flatMap(inFolder);
}

/** As forges make them of a heading. */
function anchorsOf(markdown: string): Set<string> {
  const headings = [...markdown.matchAll(/^#{1,6} (.*)$/gm)].map(([, text = '']) => text);
  return new Set(
    headings.map((text) =>
      text
        .toLowerCase()
        .replace(/[^\p{L}\p{N}\s_-]/gu, '')
        .replace(/\s/g, '-'),
    ),
  );
}

function brokenLinks(document: string): string[] {
  const markdown = read(document).replace(/```[\s\S]*?```/g, '');
  const targets = [...markdown.matchAll(/\]\(([^)\s]+)\)/g)].map(([, target = '']) => target);
  return targets.filter((target) => {
    if (/^[a-z]+:/.test(target)) return false;
    const [path = '', anchor] = target.split('#');
    const file = path === '' ? join(ROOT, document) : resolve(ROOT, dirname(document), path);
    if (!existsSync(file)) return true;
    return anchor !== undefined && !anchorsOf(readFileSync(file, 'utf8')).has(anchor);
  });
}

/** First cells of all table rows that are in backquotes. */
function listed(markdown: string): Set<string> {
  return new Set([...markdown.matchAll(/^\| `([^`]+)` \|/gm)].map(([, cell = '']) => cell));
}

/** Members of a union of literals in a source file. */
function union(path: string, name: string): string[] {
  const [, body = ''] = new RegExp(`export type ${name} =([^;]*);`).exec(read(path)) ?? [];
  return [...body.matchAll(/'([^']+)'/g)].map(([, member = '']) => member);
}

describe('documents', () => {
  it.each(documents())('%s: its links lead somewhere', (document) => {
    expect(brokenLinks(document)).toEqual([]);
  });

  it('docs/errors.md explains every error code', () => {
    const codes = union('src/errors.ts', 'ErrorCode');
    expect(codes).toContain('FENCED');
    const [beforeLetters = ''] = read('docs/errors.md').split('## Codes of dead letters');
    expect([...listed(beforeLetters)].filter((each) => each === each.toUpperCase()).sort()).toEqual(codes.sort());
  });

  it('docs/runbook.md says what to do in every state, and for every outcome of a dead letter', () => {
    const runbook = listed(read('docs/runbook.md'));
    const states = union('src/status/document.ts', 'ConnectionStateName');
    const outcomes = union('src/state/dead-letters.ts', 'DeadLetterOutcome');
    expect(states).toHaveLength(6);
    expect(outcomes).not.toHaveLength(0);
    expect([...states, ...outcomes].filter((each) => !runbook.has(each))).toEqual([]);
  });

  it('docs/cli.md lists every exit code', () => {
    const codes = [...read('docs/cli.md').matchAll(/^\| (\d+) \|/gm)].map(([, code]) => Number(code));
    expect(codes).toEqual(Object.values(EXIT));
  });

  it('ADR 0001 justifies every dependency', () => {
    const { dependencies, devDependencies } = JSON.parse(read('package.json')) as Record<
      string,
      Record<string, string>
    >;
    const page = read('docs/adr/0001-tools-and-dependencies.md');
    const rows = [...page.matchAll(/^\| (.+?) \| .+ \|$/gm)].map(([, names = '']) => names).join(', ');
    const names = Object.keys({ ...dependencies, ...devDependencies }).filter((name) => !name.startsWith('@types/'));
    expect(names.filter((name) => !rows.split(/[ ,]+/).includes(name))).toEqual([]);
  });

  it('the pages lead to headings that there are', () => {
    const sources = ['advice.ts', 'verdict.ts', 'frame.tsx', 'dead-letters-page.tsx', 'status-page.tsx'].map((name) =>
      read(`src/web/page/${name}`),
    );
    const runbook = anchorsOf(read('docs/runbook.md'));
    const targets = sources.flatMap((text) => [...text.matchAll(/(?:runbook\.html|RUNBOOK\})#([\w-]+)/g)]);
    expect(targets.length).toBeGreaterThan(5);
    for (const [, anchor = ''] of targets) expect(runbook).toContain(anchor);
    for (const [, name = ''] of sources.flatMap((text) => [...text.matchAll(/\/docs\/([\w-]+)\.html/g)])) {
      expect(existsSync(join(ROOT, `docs/${name}.md`))).toBe(true);
    }
  });
});
