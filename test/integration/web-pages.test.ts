/** The files of the pages: who gets them, what may be kept, and what the browser is allowed to do with them. */
import { expect, it } from 'vitest';
import { useRedis } from '../support/redis.ts';
import { startWebBench } from '../support/web-bench.ts';

const redis = useRedis();
const place = () => ({ path: redis.server.path, prefix: redis.prefix() });

it('a page is one shell that names its files and allows nothing else; the files may be kept for ever', async () => {
  await using web = await startWebBench(place());
  for (const path of ['/', '/connections/qq-main', '/dead-letters']) {
    const page = await web.call(path);
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=utf-8']);
    expect(page.headers['cache-control']).toBe('no-store');
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self';/);
    expect(policy).not.toMatch(/unsafe|http/);
    expect(page.text).not.toMatch(/<script(?![^>]* src=)|<style| style=/);
    const files = [...page.text.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, at = '']) => at);
    expect(files).toHaveLength(3);
    for (const file of files) {
      expect(file).toMatch(/^\/assets\/[\w-]+-[A-Z0-9]{8}\.(?:js|css|svg)$/);
      const answer = await web.call(file, { headers: { 'accept-encoding': 'gzip' } });
      expect([answer.status, answer.headers['content-encoding']]).toEqual([200, 'gzip']);
      expect(answer.headers['cache-control']).toBe('public, max-age=31536000, immutable');
      expect(answer.headers['x-content-type-options']).toBe('nosniff');
    }
  }
});

it('the documentation needs no token, and no more than that is served', async () => {
  await using web = await startWebBench({ ...place(), adminToken: 'a-token-for-the-tests-of-the-pages' });
  const runbook = await web.call('/docs/runbook.html');
  expect([runbook.status, runbook.text]).toEqual([200, expect.stringContaining('<h3 id="waiting-for-long">')]);
  expect(runbook.text).toContain('href="errors.html#reasons-of-proxies"');
  for (const path of [
    '/assets/',
    '/docs/',
    '/assets.json',
    '/docs/../assets.json',
    '/docs/..%2fassets.json',
    '/assets/%2e%2e/%2e%2e/cli.js',
  ]) {
    expect([path, (await web.call(path)).status]).toEqual([path, expect.toBeOneOf([400, 401, 403, 404])]);
  }
});
