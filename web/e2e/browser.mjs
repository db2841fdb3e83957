// A browser of one's own, and what every page of the dashboard must keep to.
import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';

/** Longest wait for a fact. */
export const PATIENCE = 20_000;

export async function openBrowser({ baseUrl, out, series = '' }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM || '/usr/bin/chromium',
    headless: true,
    args: process.getuid?.() === 0 ? ['--no-sandbox'] : [],
  });
  const origin = new URL(baseUrl).origin;
  const faults = [];
  let pictures = 0;

  /** A person: a context of their own, watched for outside requests and errors. */
  async function person(name, options = {}) {
    const context = await browser.newContext({ locale: 'es', viewport: { width: 1600, height: 900 }, reducedMotion: 'reduce', ...options });
    context.setDefaultTimeout(PATIENCE);
    const page = await context.newPage();
    page.on('request', (request) => {
      const url = new URL(request.url());
      if (!['data:', 'blob:'].includes(url.protocol) && url.origin !== origin) {
        faults.push(`${name}: request outside the origin: ${request.url()}`);
      }
    });
    page.on('pageerror', (error) => faults.push(`${name}: uncaught ${error}`));
    page.on('console', (message) => {
      const cutOnPurpose = message.text().includes('ERR_INTERNET_DISCONNECTED');
      // A refusal by REST is an error to the browser, whatever the page makes of it.
      const refusedOnPurpose = message.location().url.includes('/attachments?');
      if (message.type() === 'error' && !cutOnPurpose && !refusedOnPurpose) faults.push(`${name}: console error: ${message.text()}`);
    });
    return page;
  }

  async function picture(page, name) {
    if (!out) return;
    mkdirSync(out, { recursive: true });
    pictures += 1;
    const file = [series, String(pictures).padStart(2, '0'), name].filter(Boolean).join('-');
    await page.screenshot({ path: join(out, `${file}.png`) });
  }

  /** What everybody sees now. */
  async function pictureAll(name) {
    for (const page of browser.contexts().flatMap((context) => context.pages())) await picture(page, name);
  }

  return { person, picture, pictureAll, faults, close: () => browser.close() };
}

/** Does something, and again until it shows: what is live may change under one's finger, and a person would press again. */
export async function insist(act, shows) {
  const end = Date.now() + PATIENCE;
  for (;;) {
    await act({ timeout: 2_000 }).catch(() => undefined);
    try {
      return await shows({ timeout: 2_000 });
    } catch (cause) {
      if (Date.now() > end) throw cause;
    }
  }
}

/** Nothing must be looked for at the side. */
export async function fits(page) {
  const wide = await page.evaluate(() =>
    [document.documentElement, document.querySelector('main')].some((box) => box && box.scrollWidth > window.innerWidth),
  );
  assert.ok(!wide, `${page.url()} is wider than the screen`);
}
