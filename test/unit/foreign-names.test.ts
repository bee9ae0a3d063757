/**
 * A name that came from outside may be `constructor`, `toString` or `__proto__`: looked up in a plain object it finds
 * what every object has. So nothing in `src` is looked up in a plain object by a text that is not one of a few words of
 * ours: the type checker, asked for each `object[name]`, knows which is which.
 */
import { resolve } from 'node:path';
import { SyntaxKind } from 'typescript/unstable/ast';
import { API } from 'typescript/unstable/sync';
import { expect, it } from 'vitest';
import { ownValue } from '../../src/model.ts';

/** The one place that may, because it looks first whose the name is. */
const MAY = ['src/model.ts: record[name]'];
const PROJECTS = ['tsconfig.build.json', 'src/web/page/tsconfig.json'];

type Node = { readonly kind: number; forEachChild(visit: (node: Node) => void): void; getText(): string };
type Access = Node & { readonly expression: Node; readonly argumentExpression: Node };

/** Each `object[name]` of a project where any text may be the name. */
function lookupsByAnyText(config: string): string[] {
  const api = new API({ cwd: process.cwd() });
  try {
    const path = resolve(config);
    const project = api.updateSnapshot({ openProject: path }).getProject(path);
    if (project === undefined) throw new Error(`${path} is no project`);
    const { checker, program } = project;
    const root = `${resolve('.')}/`;
    const files = program.getSourceFileNames().filter((name) => name.startsWith(`${root}src/`));
    expect(files.length).toBeGreaterThan(20);
    return files.flatMap((name) => {
      const found: string[] = [];
      const visit = (node: Node): void => {
        if (node.kind === SyntaxKind.ElementAccessExpression) {
          const { argumentExpression } = node as Access;
          const type = checker.typeToString(checker.getTypeAtLocation(argumentExpression as never) as never);
          if (type === 'string' || type === 'any') found.push(`${name.slice(root.length)}: ${node.getText()}`);
        }
        node.forEachChild(visit);
      };
      (program.getSourceFile(name) as unknown as Node).forEachChild(visit);
      return found;
    });
  } finally {
    api.close();
  }
}

it('looks nothing up in a plain object by a name from outside (H8)', () => {
  expect([...new Set(PROJECTS.flatMap(lookupsByAnyText))]).toEqual(MAY);
}, 60_000);

it.each(['constructor', 'toString', '__proto__', 'hasOwnProperty', 'valueOf'])(
  'finds nothing under %s (H8)',
  (name) => {
    expect(ownValue({ a: 1 }, name)).toBeUndefined();
    expect(ownValue(JSON.parse(`{"${name}":1}`), name)).toBe(1);
  },
);
