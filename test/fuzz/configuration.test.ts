/** Whatever a configuration file says: it is read, or refused in bounded words that repeat no secret. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import { loadConfig } from '../../src/config.ts';
import { ConfigError } from '../../src/errors.ts';
import type { JsonValue } from '../../src/model.ts';
import { expectNoPollution, hostileText, mutantsOf, runs } from './hostile.ts';

const SECRET = 'planted-secret-of-a-configuration';
const DOCUMENT = {
  agent: { kind: 'openai', url: 'http://127.0.0.1:1/v1', apiKey: SECRET, model: 'm' },
  redis: { url: 'redis://127.0.0.1:6379/0' },
  http: { port: 0, adminToken: `${SECRET}-token` },
  alerts: { downAfterMs: 60_000, sinks: [{ kind: 'webhook', url: 'https://x.test/', secret: SECRET }] },
  timings: { leaseMs: 6_000, renewEveryMs: 1_500 },
  connections: [
    { id: 'qq-main', platform: 'qq', appId: '102000000', clientSecret: SECRET },
    { id: 'tg-main', platform: 'telegram', token: `4711:${SECRET}` },
  ],
} as const satisfies JsonValue;

describe('a configuration', () => {
  const folder = mkdtempSync(join(tmpdir(), 'hf-fuzz-config-'));
  const file = join(folder, 'holdfast.yaml');
  afterAll(() => rmSync(folder, { recursive: true, force: true }));

  function expectSense(text: string): void {
    writeFileSync(file, text, { mode: 0o600 });
    try {
      expect(loadConfig({ file, cwd: folder, env: {} }).connections.length).toBeGreaterThanOrEqual(0);
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      expect(error.problems.length).toBeGreaterThan(0);
      for (const problem of error.problems) {
        expect(problem.length).toBeLessThan(4_000);
        expect(problem).not.toContain(SECRET);
      }
    }
    expectNoPollution();
  }

  it('of values in the wrong place, as JSON or YAML', { timeout: 3_600_000 }, () => {
    const text = mutantsOf(DOCUMENT).map((json) => {
      try {
        return stringify(JSON.parse(json));
      } catch {
        return json;
      }
    });
    fc.assert(fc.property(fc.oneof(text, mutantsOf(DOCUMENT)), expectSense), {
      numRuns: runs(800),
      endOnFailure: true,
    });
  });

  it('of YAML that is hardly any', { timeout: 3_600_000 }, () => {
    const piece = fc.oneof(
      hostileText,
      fc.constantFrom(
        'connections:',
        '\n  - ',
        '&a [*a, *a]',
        '*a',
        '!!js/function x',
        '<<: ',
        '? ',
        '|\n',
        '%YAML 9\n',
        '---\n',
      ),
    );
    const text = fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join(''));
    fc.assert(fc.property(text, expectSense), { numRuns: runs(500), endOnFailure: true });
    expectSense(
      `a: &a [x,x,x,x,x,x,x,x,x]\n${'bcdefghij'
        .split('')
        .map((c, n) => `${c}: &${c} [${Array(9).fill(`*${'abcdefghij'[n]}`).join(',')}]`)
        .join('\n')}`,
    );
  });
});
