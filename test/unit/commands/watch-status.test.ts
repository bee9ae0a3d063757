/** What `status --watch` shows: on a terminal the newest look, through a pipe what changed, and never an old look as a new one. */
import { expect, it } from 'vitest';
import { watchStatus } from '../../../src/commands/watch-status.ts';
import type { ConnectionStatus, StatusDocument } from '../../../src/status/document.ts';
import { inChain } from '../../support/in-chain.ts';

const status = (state: ConnectionStatus['state'], at: string): StatusDocument =>
  inChain({
    at,
    scheduler: { lastSweepAgeMs: 1, worker: 'a/1' },
    workers: [],
    connections: [{ id: 'qq-main', state, owner: null, reason: null } as ConnectionStatus],
  });

async function watch(looks: readonly (StatusDocument | Error)[], how: { json?: boolean; inPlace?: boolean } = {}) {
  const ended = new AbortController();
  const written: string[] = [];
  let n = 0;
  const code = await watchStatus(
    {
      async read() {
        const look = looks[n];
        n += 1;
        if (n >= looks.length) ended.abort();
        if (look === undefined || look instanceof Error) throw look ?? new Error('no more');
        return look;
      },
      describe: ({ connections, at }) => `${connections[0]?.state} ${at}\n`,
      json: how.json === true,
      inPlace: how.inPlace === true,
      write: (text) => void written.push(text),
      everyMs: 1,
    },
    ended.signal,
  );
  return { code, written };
}

const LOOKS = [
  status('live', '1'),
  status('live', '2'),
  status('waiting', '3'),
  new Error('Redis is away'),
  new Error('x'),
];

it('writes through a pipe only what changed, and that nobody answers once', async () => {
  const { code, written } = await watch(LOOKS);
  expect(written).toEqual([
    'live 1\n',
    'waiting 3\n',
    expect.stringMatching(/^No answer \(the last one .* ago\): Redis is away/),
  ]);
  expect(code).toBe(2);
});

it('draws every look in its place on a terminal, with its age when nobody answers', async () => {
  const { written } = await watch(LOOKS, { inPlace: true });
  expect(written).toHaveLength(5);
  expect(written.every((text) => text.startsWith('\u001b[H\u001b[J'))).toBe(true);
  expect(written.at(-1)).toMatch(/No answer \(the last one/);
  expect(written.at(-1)).not.toContain('waiting');
});

it('gives one document per line and look with --json, and ends with the code of the last', async () => {
  const { code, written } = await watch([status('waiting', '1'), status('live', '2')], { json: true });
  expect(written.map((line) => JSON.parse(line).at)).toEqual(['1', '2']);
  expect(code).toBe(0);
});
