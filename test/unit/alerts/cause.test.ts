import { expect, it } from 'vitest';
import { causeOf } from '../../../src/alerts/cause.ts';

it.each([
  ['proxy', 'proxy connection refused (ECONNREFUSED) [http proxy 10.0.0.1:3128 → api.sgroup.qq.com:443]'],
  ['proxy', 'no tunnel within 5000 ms, waiting for the proxy [socks5 proxy 10.0.0.1:1080 → api.telegram.org:443]'],
  ['network', 'connection refused (ECONNREFUSED 10.0.0.1:443)'],
  ['network', 'the socket closed with 1006'],
  ['network', 'DNS lookup failed (ENOTFOUND api.telegram.org)'],
  ['rival', 'conflict: another getUpdates poller (rival) uses this token (409), again and again'],
  ['no-worker', 'no worker can hold it: b/1: no credentials'],
  ['no-worker', 'the lease of a/1 ran out'],
  ['storage', 'storage is full or away'],
  ['budget', 'the shared identify budget is used up for now'],
  ['defect', 'a defect ended it: boom'],
])('%s: %s', (cause, reason) => {
  expect(causeOf(reason)).toBe(cause);
});

it('two reasons that differ only by numbers are one cause', () => {
  expect(causeOf('odd answer 17 of shard 3')).toBe(causeOf('odd answer 4 of shard 12'));
});
