/** Metrics of a whole installation: what processes measure outlives them, and agrees with what the platform saw. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createMetrics, type Metrics } from '../../src/metrics/metrics.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { Conversations, NOTHING_WRONG } from '../support/conversations.ts';
import { quiet } from '../support/inbound.ts';
import { type Installation, install, qqConnection } from '../support/installation.ts';
import { parseScrape, type Sample, total } from '../support/scraped.ts';
import { waitUntil } from '../support/wait-until.ts';
import { call } from '../support/web-bench.ts';

const TOKEN = 'a-token-for-the-tests-of-metrics';

describe('metrics of two workers', () => {
  let qq: QqEmulator;
  let installation: Installation;
  let metrics: Metrics;

  beforeAll(async () => {
    qq = await startQq({ heartbeatIntervalMs: 1_000 });
    installation = await install({ connections: [qqConnection(qq)], http: { port: 0, adminToken: TOKEN } });
    await Promise.all([
      installation.scheduler(),
      installation.worker('connections,agent,delivery'),
      installation.worker('connections,agent,delivery'),
    ]);
    await installation.live();
    const { client, keys } = await installation.reader();
    metrics = createMetrics({ client, keys, queues: [], timings: installation.config.timings, log: quiet });
  });

  afterAll(async () => {
    await installation?.[Symbol.asyncDispose]();
    await qq?.close();
  });

  const scrape = async () => parseScrape(await metrics.render(new AbortController().signal));

  async function scrapeUntil(what: string, fits: (samples: readonly Sample[]) => boolean): Promise<readonly Sample[]> {
    let last: readonly Sample[] = [];
    const looks = async () => {
      last = await scrape();
      return fits(last);
    };
    const said = () => last.map(({ name, labels, value }) => `${name} ${JSON.stringify(labels)} ${value}`).join('\n');
    await waitUntil(what, looks, { timeoutMs: 20_000, everyMs: 100, explain: said });
    return last;
  }

  it('count what was said and answered, and how long it took', async () => {
    const people = new Conversations(qq, qq.journal, { name: 'METRIC', everyMs: 20 });
    for (let n = 0; n < 20; n += 1) people.say();
    const account = await people.account();
    expect(account).toEqual({ sent: 20, ...NOTHING_WRONG });
    const samples = await scrapeUntil(
      'reports of all workers',
      (now) =>
        total(now, 'holdfast_delivery_seconds_count') === 20 &&
        Number(total(now, 'holdfast_stored_seconds_count')) >= 20,
    );
    expect(total(samples, 'holdfast_events_total')).toBe(20);
    expect(total(samples, 'holdfast_sent_total')).toBe(20);
    expect(total(samples, 'holdfast_turn_seconds_count')).toBe(total(samples, 'holdfast_turns_total'));
    expect(total(samples, 'holdfast_identified_total')).toBe(1);
    expect(total(samples, 'holdfast_workers', { role: 'connections' })).toBe(2);
    expect(total(samples, 'holdfast_budget_used', { budget: 'identify', window: '24h' })).toBe(1);
    expect(total(samples, 'holdfast_connection_outboxes')).toBe(0);
  });

  it('count a socket that was cut, and why', async () => {
    const before = Number(total(await scrape(), 'holdfast_reconnects_total') ?? 0);
    qq.faults.dropSockets({ how: 'close', code: 4009 });
    const samples = await scrapeUntil(
      'the reconnect',
      (now) => Number(total(now, 'holdfast_reconnects_total', { cause: 'closed' }) ?? 0) > before,
    );
    expect(total(samples, 'holdfast_reconnects_total', { cause: 'other' })).toBe(null);
    await installation.live();
  });

  it('keep all of it when the worker is killed, and tell how long the takeover took', async () => {
    const before = await scrapeUntil(
      'a live connection',
      (now) => total(now, 'holdfast_connections', { state: 'live' }) === 1,
    );
    const { owner } = await installation.live();
    const held = installation.processes.find(({ pid }) => owner?.endsWith(`/${pid}`));
    if (held === undefined) throw new Error(`none of our workers is ${owner}`);
    held.kill('SIGKILL');
    const after = await scrapeUntil('the takeover', (now) => total(now, 'holdfast_takeover_seconds_count') === 1);
    expect(total(after, 'holdfast_takeovers_total')).toBe(Number(total(before, 'holdfast_takeovers_total')) + 1);
    expect(total(after, 'holdfast_takeover_seconds_sum')).toBeGreaterThan(0.1);
    expect(total(after, 'holdfast_takeover_seconds_sum')).toBeLessThan(15);
    expect(total(after, 'holdfast_events_total')).toBe(total(before, 'holdfast_events_total'));
    expect(Number(total(after, 'holdfast_stored_seconds_count'))).toBeGreaterThanOrEqual(20);
    expect(Number(total(after, 'holdfast_connection_fencing_token'))).toBeGreaterThan(
      Number(total(before, 'holdfast_connection_fencing_token')),
    );
  });

  it('are what the web role answers, from the command as it is built', async () => {
    const web = await installation.start('web').ready();
    const { url } = await web.waitForLine(({ event }) => event === 'web');
    const answer = await call(`${url}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } });
    expect([answer.status, answer.headers['content-type']]).toEqual([200, metrics.contentType]);
    const served = parseScrape(answer.text);
    const own = await scrape();
    for (const name of ['holdfast_events_total', 'holdfast_sent_total', 'holdfast_takeover_seconds_count'])
      expect(total(served, name), name).toBe(total(own, name));
    expect(total(served, 'holdfast_queue_jobs', { queue: 'connections', state: 'active' })).toBe(1);
  });
});
