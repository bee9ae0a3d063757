/** `npm run screenshots`: makes the pictures of docs/images from a real installation before emulated platforms. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import type { Browser } from 'playwright-core';
import { openBrowser } from '../../test/support/browser.ts';
import { ADMIN_TOKEN, withScene } from './scene.ts';

const IMAGES = fileURLToPath(new URL('../../docs/images/', import.meta.url));

interface Picture {
  readonly name: string;
  readonly path: string;
  readonly width: number;
  readonly height: number;
  readonly colorScheme: 'light' | 'dark';
}

const PICTURES: readonly Picture[] = [
  { name: 'status-light', path: '/', width: 1_280, height: 1_060, colorScheme: 'light' },
  { name: 'status-dark', path: '/', width: 1_280, height: 1_060, colorScheme: 'dark' },
  { name: 'status-phone', path: '/', width: 390, height: 844, colorScheme: 'light' },
  { name: 'connection', path: '/connections/qq-main', width: 1_280, height: 1_060, colorScheme: 'light' },
];

async function take(browser: Browser, url: string, { name, path, colorScheme, ...viewport }: Picture): Promise<void> {
  const extraHTTPHeaders = { authorization: `Bearer ${ADMIN_TOKEN}` };
  const page = await browser.newPage({ viewport, colorScheme, reducedMotion: 'reduce', extraHTTPHeaders });
  await page.goto(`${url}${path}`);
  await page.locator('.strip svg').first().waitFor();
  await page.evaluate('document.fonts.ready');
  const file = `${IMAGES}${name}.png`;
  await page.screenshot({ path: file });
  await page.close();
  // A palette is enough for what has so few colours, and takes a third of the room.
  await promisify(execFile)('pngquant', ['--force', '--ext', '.png', '--speed', '1', '--strip', file]);
}

await withScene(async (url) => {
  const browser = await openBrowser();
  try {
    for (const picture of PICTURES) await take(browser, url, picture);
  } finally {
    await browser.close();
  }
});
