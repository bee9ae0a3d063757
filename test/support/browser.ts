/** A real browser: Debian's Chromium, without a window, and without anything it would ask the internet for. */
import { accessSync, constants } from 'node:fs';
import axe, { type AxeResults } from 'axe-core';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
const ARGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** `null`: there is one. */
export function whyNoBrowser(): string | null {
  try {
    accessSync(CHROMIUM, constants.X_OK);
    return null;
  } catch {
    return `${CHROMIUM} is not installed (node scripts/ensure-test-programs.mjs)`;
  }
}

export async function openBrowser(): Promise<Browser> {
  return await chromium.launch({ executablePath: CHROMIUM, args: ARGS });
}

/** What axe finds on a page that hinders people badly, in the words of its reports. Runs under the page's own policy. */
export async function hindrances(page: Page, which: 'all' | 'colours' = 'all'): Promise<string[]> {
  const runOnly = which === 'all' ? undefined : ['color-contrast'];
  const options = JSON.stringify({ resultTypes: ['violations'], runOnly });
  const { violations } = await page.evaluate<AxeResults>(`${axe.source}; axe.run(document, ${options})`);
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, help, nodes }) => nodes.map(({ html }) => `${id}: ${help}: ${html.slice(0, 200)}`));
}

/** What a page complains of: scripts that threw, and what its policy kept out. */
export function watchComplaints(page: Page): string[] {
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    // That a server does not answer is a line of its own, and what some tests are about.
    if (message.type() === 'error' && !message.text().startsWith('Failed to load resource'))
      complaints.push(message.text());
  });
  return complaints;
}
