// The map: groups from afar, heat, emergencies, and where an agent was.
import assert from 'node:assert/strict';
import { fits, insist } from './browser.mjs';
import { call, locatedAgent, reportPosition } from './rest.mjs';
import { ADMINISTRATOR, asPhone, BASE_URL, SUPERVISOR, tell } from './story.mjs';

await tell('city', async ({ enter, step, picture, token }) => {
  const [supervisor, administrator] = [await token(SUPERVISOR), await token(ADMINISTRATOR)];
  const rest = (path, body) => call(BASE_URL, path, { token: supervisor, body });
  const agent = await locatedAgent(BASE_URL, supervisor);
  const { latitude, longitude } = agent.position.location;
  const near = (north, east) => ({ latitude: latitude + north, longitude: longitude + east });
  for (const place of [near(0.001, 0), near(0, 0.001), near(0.002, 0.002)]) {
    await rest('/v1/tasks', { title: 'Barrer la plaza', kind: 'TASK_KIND_ADMINISTRATIVE', location: place });
  }
  const emergency = await rest('/v1/emergencies', { location: near(-0.002, 0.001), description: 'Incendio en el mercado' });
  const page = await enter(SUPERVISOR);

  step('an emergency is on the map and leads to its page');
  await page.getByRole('link', { name: 'Mapa', exact: true }).click();
  const alarm = page.locator(`[data-pin="emergency-${emergency.id}"]`);
  await insist(
    (within) => alarm.press('Enter', within),
    (within) => page.locator('.leaflet-popup').getByText('Incendio en el mercado').waitFor(within),
  );
  await picture(page, 'emergency');
  await page.keyboard.press('Escape');

  step('from afar there are groups, and a group brings one to what is in it');
  const single = page.locator(`[data-pin="agent-${agent.id}"]`);
  await single.waitFor();
  const out = page.getByRole('button', { name: 'Alejar' });
  const group = page.locator('[data-pin^="cluster-"]');
  for (let left = 8; left > 0 && (await group.count()) === 0; left -= 1) {
    await out.click();
    await page.waitForFunction(() => !document.querySelector('.leaflet-zoom-anim'));
  }
  await group.first().waitFor();
  await page.getByText('Desde lejos se agrupa').waitFor();
  await picture(page, 'groups');
  await insist(
    (within) => group.first().press('Enter', within),
    (within) => page.getByText('Desde lejos se agrupa').waitFor({ state: 'detached', ...within }),
  );
  await single.waitFor();

  step('heat shows where tasks gather');
  await page.getByLabel('Mapa de calor').check();
  await page.locator('.heat').first().waitFor();
  await picture(page, 'heat');
  await page.getByLabel('Mapa de calor').uncheck();
  await page.locator('.heat').first().waitFor({ state: 'detached' });

  step('where an agent was is drawn, and the clock can be turned back');
  const now = Date.now();
  for (const [place, at] of [[near(0, 0), 0], [near(0.001, 0.001), 20_000], [near(0.002, 0.001), 40_000]]) {
    await reportPosition(BASE_URL, administrator, agent.id, place, now - 40_000 + at).catch(() => undefined);
  }
  const panel = page.getByRole('region', { name: `Recorrido de ${agent.code}` });
  await insist(
    async (within) => {
      await single.press('Enter', within);
      await page.getByRole('button', { name: 'Recorrido' }).click(within);
    },
    (within) => panel.waitFor(within),
  );
  await panel.getByLabel('Periodo').selectOption({ label: 'Últimas 24 horas' });
  await page.locator('.track-line').first().waitFor();
  const place = page.locator('.track-place');
  const before = await place.getAttribute('style');
  await panel.getByRole('slider').focus();
  await page.keyboard.press('Home');
  await page.waitForFunction((was) => document.querySelector('.track-place')?.getAttribute('style') !== was, before);
  await picture(page, 'track');
  await asPhone(page, async () => {
    await panel.waitFor();
    await fits(page);
    await picture(page, 'phone-track');
  });
  await panel.getByRole('button', { name: 'Cerrar' }).click();
  await page.locator('.track-line').first().waitFor({ state: 'detached' });
  assert.equal(await page.locator('.track-place').count(), 0);
  await rest(`/v1/tasks/${emergency.task_id}:cancel`, { reason: 'Fin de la prueba' });
});
