// What every story of the dashboard has: people who are signed in, steps with names, pictures, and an end that tells.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { openBrowser } from './browser.mjs';
import { login } from './rest.mjs';

export const BASE_URL = process.env.BASE_URL || 'http://localhost:8080';
export const PASSWORD = process.env.PASSWORD || 'gad-demo-2026';
export const ADMINISTRATOR = 'admin@gad.example';
export const SUPERVISOR = 'supervisor@gad.example';
export const AGENT = 'agente@gad.example';

export const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' };

/** Runs a story; it gets `step`, `picture` and `enter`. Exits with 0 if everything was seen, else says what was not. */
export async function tell(name, story) {
  const { values } = parseArgs({ options: { out: { type: 'string' } } });
  const browser = await openBrowser({ baseUrl: BASE_URL, out: values.out, series: name });
  let step = 'start';
  const enter = async (email, options) => {
    const page = await browser.person(email, options);
    await page.goto(BASE_URL);
    await page.getByLabel('Correo o usuario').fill(email);
    await page.getByLabel('Contraseña', { exact: true }).fill(PASSWORD);
    await page.getByRole('button', { name: 'Entrar' }).click();
    await page.locator('[data-phase="live"]').waitFor();
    return page;
  };
  try {
    await story({ ...browser, enter, step: (text) => (step = text), token: (email) => login(BASE_URL, email, PASSWORD) });
    assert.deepEqual(browser.faults, [], 'outside requests or errors in the browser');
    console.log(`${name}: everything seen`);
  } catch (error) {
    console.error(`${name}: failed at "${step}"\n${error.stack ?? error}`);
    if (browser.faults.length > 0) console.error(browser.faults.join('\n'));
    await browser.pictureAll('failed');
    process.exitCode = 1;
  } finally {
    await browser.close();
  }
}

/** Another width and the other colours, for one picture; then as before. */
export async function asPhone(page, look) {
  const { width, height } = page.viewportSize();
  await page.setViewportSize(PHONE.viewport);
  await page.emulateMedia({ colorScheme: 'dark' });
  await look();
  await page.emulateMedia({ colorScheme: 'light' });
  await page.setViewportSize({ width, height });
}
