/**
 * The pages as an operator has them: a real browser before a `holdfast web` of its own, while the connections are held by
 * somebody else. One installation for the whole file, and each test leaves it well.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Browser, BrowserContext, Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { stringify } from 'yaml';
import type { WorkerId } from '../../src/model.ts';
import { type AgentReport, forgetWorker, reportWorker } from '../../src/state/workers.ts';
import { type QqEmulator, startQq } from '../emulators/qq/index.ts';
import { hindrances, openBrowser, watchComplaints, whyNoBrowser } from '../support/browser.ts';
import { type Installation, install, qqConnection, SCALED_TIMINGS } from '../support/installation.ts';
import { freePort } from '../support/redis.ts';
import type { ServedProcess } from '../support/served-process.ts';
import { waitUntil } from '../support/wait-until.ts';

const missing = whyNoBrowser();
if (missing !== null) console.warn(`page.test.ts is skipped: ${missing}`);

const TOKEN = 'a-token-for-the-system-tests-of-the-pages';
const HTML = '<img src=x onerror="window.wasHere=true">';
const PATIENCE_MS = 15_000;
/** What is promised, ms. */
const SAID_WITHIN_MS = 3_000;

let qq: QqEmulator;
let installation: Installation;
let browser: Browser;
let context: BrowserContext;
let page: Page;
let url: string;
let web: ServedProcess;
let complaints: string[];

describe.skipIf(missing !== null)('in a browser', () => {
  beforeAll(async () => {
    qq = await startQq({ identifyLimit: { maxConcurrency: 10 } });
    const connections = [qqConnection(qq)];
    installation = await install({ connections });
    const port = await freePort();
    url = `http://127.0.0.1:${port}`;
    const file = join(installation.dir, 'web.yaml');
    await writeFile(file, stringify({ timings: SCALED_TIMINGS, http: { port, adminToken: TOKEN }, connections }), {
      mode: 0o600,
    });
    const [opened] = await Promise.all([openBrowser(), installation.start('up', '--processes', '2').ready()]);
    browser = opened;
    context = await browser.newContext({ colorScheme: 'light' });
    context.setDefaultTimeout(PATIENCE_MS);
    page = await context.newPage();
    complaints = watchComplaints(page);
    web = await installation.start('--config', file, 'web').ready();
    await installation.live();
  });

  afterEach(async () => {
    await qq?.faults.acceptDials();
  });

  afterAll(async () => {
    await browser?.close();
    await installation?.[Symbol.asyncDispose]();
    await qq?.[Symbol.asyncDispose]();
  });

  it('asks for the token, refuses a wrong one, and leads on to where one wanted to go', async () => {
    await page.goto(`${url}/connections/qq-main`);
    await expect.poll(() => page.url()).toBe(`${url}/login?next=%2Fconnections%2Fqq-main`);
    expect(await hindrances(page)).toEqual([]);
    await page.getByLabel('Admin token').fill('not-the-token');
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('That is not the admin token').waitFor();
    await page.getByLabel('Admin token').fill(TOKEN);
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { name: /^qq-main QQ live/ }).waitFor();
    expect(page.url()).toBe(`${url}/connections/qq-main`);
  });

  it('says first that people are not answered although the bot is live, with why and what to do (H5)', async () => {
    const { client, keys } = await installation.reader();
    const away = {
      name: 'main',
      kind: 'openai',
      running: 0,
      places: 100,
      longestMs: null,
      limitMs: 1_000,
      answeredMs: null,
    };
    const failing = {
      kind: 'away',
      reason: 'connect ECONNREFUSED 10.0.0.9:8642',
      status: null,
      count: 7,
      forMs: 60_000,
      agoMs: 900,
    };
    const report = {
      roles: ['agent'],
      connections: 0,
      capacity: 0,
      eventLoopLagMs: 1,
      incarnation: 'i',
      draining: false,
    };
    // The echo agent of the installation never fails: a process that says so of another one stands beside it.
    const agent = { ...away, name: 'coder', failing } as AgentReport;
    const say = () => reportWorker(client, keys, 'elsewhere/1' as WorkerId, { ...report, agent }, 3_000);
    await say();
    const saying = setInterval(() => void say().catch(() => undefined), 500);
    await page.goto(url);
    const verdict = page.getByRole('region', { name: 'Verdict' });
    await verdict.getByText('qq-main is live, but people are not answered').waitFor();
    await verdict.getByText('connect ECONNREFUSED 10.0.0.9:8642').waitFor();
    await verdict.getByText('start the agent').waitFor();
    for (const [colorScheme, width] of [
      ['light', 1_200],
      ['dark', 1_200],
      ['light', 360],
    ] as const) {
      await page.emulateMedia({ colorScheme });
      await page.setViewportSize({ width, height: 900 });
      expect(await hindrances(page)).toEqual([]);
      expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width);
    }
    await page.emulateMedia({ colorScheme: 'light' });
    await page.setViewportSize({ width: 1_280, height: 720 });
    clearInterval(saying);
    await forgetWorker(client, keys, 'elsewhere/1' as WorkerId, 'drained');
    await verdict.getByText('qq-main is live', { exact: true }).waitFor();
  });

  it('says first that the bot is alive, with evidence whose age goes on', async () => {
    await page.goto(url);
    await headline(/^qq-main is live$/).waitFor();
    const row = page.locator('[data-connection=qq-main]');
    const { owner, fencingToken } = await installation.connection();
    for (const text of ['live', 'direct', String(owner), String(fencingToken)])
      await row.getByText(text, { exact: true }).first().waitFor();
    const chart = row.getByRole('img', { name: /^The last day of qq-main: live \d/ });
    await chart.waitFor();
    const age = row.locator('dd.age').first();
    const seen = new Set<string | null>();
    await waitUntil('two ages', async () => seen.add(await age.textContent()).size >= 2);
    await page.getByRole('heading', { name: 'Workers' }).waitFor();
    expect(await page.locator('.rows > li').count()).toBe((await installation.status()).workers.length);
  });

  it('hinders nobody, in light and in dark, on any of its pages, and needs no wider screen than 360 px', async () => {
    const found: Record<string, unknown> = {};
    const narrow = await context.newPage();
    await narrow.setViewportSize({ width: 360, height: 740 });
    for (const path of ['/', '/connections/qq-main', '/dead-letters', '/docs/runbook.html']) {
      await narrow.goto(`${url}${path}`);
      await narrow.locator('h1').first().waitFor();
      if (path === '/') await narrow.locator('.strip svg').first().waitFor();
      for (const colorScheme of ['light', 'dark'] as const) {
        await narrow.emulateMedia({ colorScheme });
        found[`${path} ${colorScheme}`] = await hindrances(narrow, colorScheme === 'light' ? 'all' : 'colours');
      }
      const widths = await narrow.evaluate<number[]>('[document.documentElement.scrollWidth, innerWidth]');
      found[`${path} width`] = Number(widths[0]) <= Number(widths[1]) ? [] : widths;
    }
    await narrow.close();
    expect(found).toEqual(Object.fromEntries(Object.keys(found).map((key) => [key, []])));
  });

  it('says within 3 s that a connection is down, and why, and what to do; and that it is back', async () => {
    await page.goto(url);
    await headline(/is live/).waitFor();
    await qq.faults.refuseDials();
    qq.faults.dropSockets({ how: 'rst' });
    const tookMs = await shown(page.getByRole('status').getByText(/^qq-main is (down|connecting)/));
    expect(tookMs).toBeLessThan(SAID_WITHIN_MS);
    const verdict = page.getByRole('region', { name: 'Verdict' });
    await verdict
      .locator('.reason')
      .getByText(/ECONNREFUSED|reset|1006/)
      .waitFor();
    await verdict.getByText(/^What to do: .*tried again by itself/).waitFor();
    expect(await verdict.getByRole('link', { name: 'Runbook' }).first().getAttribute('href')).toMatch(
      /^\/docs\/runbook\.html#/,
    );
    expect(await page.title()).toMatch(/^qq-main is/);
    await qq.faults.acceptDials();
    await headline(/^qq-main is live$/).waitFor();
  });

  it('pauses, resumes and restarts by keyboard alone, after a question that Esc takes back', async () => {
    await page.goto(`${url}/connections/qq-main`);
    await press('Pause …');
    const dialog = page.getByRole('dialog', { name: 'Pause qq-main?' });
    await dialog.waitFor();
    for (let presses = 0; presses < 4; presses += 1) {
      await page.keyboard.press('Tab');
      const outside = await page.evaluate(
        'document.activeElement !== document.body && document.activeElement.closest("dialog") === null',
      );
      expect(outside).toBe(false);
    }
    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    expect(await focused()).toBe('Pause …');
    expect((await installation.connection()).state).toBe('live');

    await page.keyboard.press('Enter');
    await press('Pause');
    await answer(/^Pause was asked for at .* It shows: paused\.$/).waitFor();
    expect((await installation.connection()).state).toBe('paused');
    await press('Resume …');
    await press('Resume');
    await answer(/^Resume was asked for at .* It shows: live, held by /).waitFor();
    const { fencingToken } = await installation.live();
    await press('Restart …');
    await press('Restart');
    await answer(/^Restart was asked for at .* It shows: live, held by /).waitFor();
    expect((await installation.live()).fencingToken).toBeGreaterThan(Number(fencingToken));
  });

  it('hands over to the worker that is chosen, and says why it could not', async () => {
    await page.goto(`${url}/connections/qq-main`);
    const { owner } = await installation.live();
    await page.getByRole('button', { name: 'Hand over …' }).click();
    const choice = page.getByLabel('New owner');
    const names = await choice
      .locator('option')
      .evaluateAll((options) => options.map((each) => each.getAttribute('value') ?? ''));
    const [target = ''] = names.filter((name) => name !== '');
    expect(target).not.toBe(owner);
    await choice.selectOption(target);
    await page.getByRole('dialog').getByRole('button', { name: 'Hand over' }).click();
    await answer(new RegExp(`It shows: live, held by ${target}\\.$`)).waitFor();
    expect((await installation.live()).owner).toBe(target);
    const tenures = page.getByRole('region', { name: 'Who held it' }).getByRole('row');
    await tenures
      .filter({ hasText: String(owner) })
      .first()
      .waitFor();

    await page.route('**/handoff', (route) => route.continue({ postData: JSON.stringify({ to: 'nobody/9' }) }));
    await page.getByRole('button', { name: 'Hand over …' }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Hand over' }).click();
    await page.getByRole('dialog').getByRole('alert').getByText('worker "nobody/9" cannot take it').waitFor();
    await page.keyboard.press('Escape');
  });

  it('shows dead letters as they were written, markup and all, and tries one again', async () => {
    const refusal = qq.faults.sendError(40034006);
    const said = qq.user('MALLORY').say(HTML);
    await page.goto(`${url}/dead-letters`);
    const letter = page.locator('.letter').filter({ hasText: HTML });
    await letter.waitFor();
    refusal.clear();
    await letter.getByRole('button', { name: /^Try / }).click();
    await page.getByRole('dialog').getByRole('button', { name: 'Try again' }).click();
    await page.getByRole('status').getByText('is back in its conversation').waitFor();
    await waitUntil('the reply to arrive', () => qq.journal.repliesTo(said.messageId).length === 1);
    await page.getByRole('heading', { name: 'No dead letters' }).waitFor();
    expect(await page.evaluate('window.wasHere')).toBeUndefined();
  });

  it('shows what the platform said as text', async () => {
    await page.goto(`${url}/connections/qq-main`);
    const history = page.getByRole('region', { name: 'What happened to it' });
    await history.waitFor();
    // The next dial hangs for a while: what is over within one renewal is not written down.
    qq.faults.noHello({ times: 1 });
    qq.faults.close(4009, HTML);
    await history.getByText(HTML).first().waitFor();
    await installation.live();
    expect(await page.evaluate('window.wasHere')).toBeUndefined();
  });

  it('leads to Bull Board, which lists the jobs and lets nobody write to connections', async () => {
    // Its page asks for fonts from elsewhere, which its policy refuses.
    const board = await context.newPage();
    await board.goto(url);
    await board.getByRole('link', { name: 'Queues', exact: true }).first().click();
    await board.getByText('Deliveries').first().waitFor();
    await board.goto(`${url}/admin/queues/queue/connections`);
    await board.getByText('qq-main').first().waitFor();
    const put = `fetch('/admin/queues/api/queues/connections/pause', { method: 'PUT' }).then(({ status }) => status)`;
    expect(await board.evaluate<number>(put)).toBe(405);
    await board.close();
  });

  it('says that it has no news when nobody answers any more, and goes on by itself', async () => {
    await page.goto(url);
    await headline(/^qq-main is live$/).waitFor();
    web.kill('SIGKILL');
    await web.exited;
    const banner = page.getByRole('region', { name: 'No news' });
    await banner.getByText(/^No news for \d+ s: Holdfast at .* does not answer; trying again\.$/).waitFor();
    await headline(/^When last heard: qq-main is live$/).waitFor();
    await page.locator('[data-connection=qq-main]').getByText('was live').waitFor();
    expect(await page.title()).toBe('no news · Holdfast');
    web = await installation.start('--config', join(installation.dir, 'web.yaml'), 'web').ready();
    await banner.waitFor({ state: 'detached' });
    await headline(/^qq-main is live$/).waitFor();
  });

  it('was never kept from anything by its own policy', () => {
    expect(complaints).toEqual([]);
  });
});

function headline(text: RegExp): Locator {
  return page.getByRole('heading', { level: 1 }).getByText(text);
}

function answer(text: RegExp): Locator {
  return page.locator('.actions').getByRole('status').getByText(text);
}

/** @returns ms until it could be seen */
async function shown(what: Locator): Promise<number> {
  const startedAt = performance.now();
  await what.waitFor();
  return performance.now() - startedAt;
}

async function focused(): Promise<string> {
  return await page.evaluate<string>('document.activeElement.textContent.trim()');
}

/** Goes to a button with Tab and presses Enter. */
async function press(name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).waitFor();
  for (let presses = 0; (await focused()) !== name; presses += 1) {
    if (presses > 60) throw new Error(`no button "${name}" can be reached by keyboard`);
    await page.keyboard.press('Tab');
  }
  await page.keyboard.press('Enter');
}
