/**
 * Files that take long begin first, so that none of them is left running alone at the end of its level. Vitest would go by
 * what it remembers of the last run, and on a clean clone by the size of the files.
 */
import { basename } from 'node:path';
import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Those that take 30 s or more, on two cores; the longest first. */
const LONGEST = [
  'founding-incident',
  'readme',
  'demo',
  'containers',
  'alerts',
  'telegram',
  'redis-trouble',
  'page',
  'chaos',
  'misbehaving-platform',
  'takeover',
  'holding',
  'crash-loop',
  'telegram-adapter',
  'bad-weather',
  'cli',
  'hosts',
  'redis-restart',
  'redis-sentinel',
  'web',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification) => {
      const found = LONGEST.indexOf(basename(moduleId, '.test.ts'));
      return found === -1 ? LONGEST.length : found;
    };
    return (await super.sort(files)).toSorted((one, other) => place(one) - place(other));
  }
}
