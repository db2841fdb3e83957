// A day at the dashboard, through the front door of a running stack:
//   BASE_URL=http://localhost:8080 EMAIL=… OTHER_EMAIL=… PASSWORD=… node e2e/dashboard.mjs [--out DIR]
// Exits with 0 if everything was seen, else says what was not.
import assert from 'node:assert/strict';
import { parseArgs } from 'node:util';
import { fits, openBrowser } from './browser.mjs';
import { locatedAgent, login, reportPosition } from './rest.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const baseUrl = process.env.BASE_URL || 'http://localhost:8080';
const email = process.env.EMAIL || 'admin@gad.example';
const otherEmail = process.env.OTHER_EMAIL || 'supervisor@gad.example';
const password = process.env.PASSWORD || 'gad-demo-2026';

const { person, picture, pictureAll, faults, close } = await openBrowser({ baseUrl, out: values.out });
const title = `Prueba de tablero ${Date.now().toString(36)}`;
let step = 'start';

try {
  await scenario();
  assert.deepEqual(faults, [], 'outside requests or errors in the browser');
  console.log('dashboard: everything seen');
} catch (error) {
  console.error(`dashboard: failed at "${step}"\n${error.stack ?? error}`);
  if (faults.length > 0) console.error(faults.join('\n'));
  await pictureAll('failed');
  process.exitCode = 1;
} finally {
  await close();
}

async function scenario() {
  const ana = await person('Ana');
  const luis = await person('Luis');

  step = 'a wrong password is refused, in words';
  await ana.goto(baseUrl);
  await signIn(ana, `${password}-wrong`);
  await ana.getByRole('alert').waitFor();
  await picture(ana, 'wrong-password');

  step = 'the right one opens the board';
  await signIn(ana, password);
  await live(ana);
  await ana.locator('[data-task]').first().waitFor();
  await picture(ana, 'board');

  step = 'a second person watches';
  await luis.goto(baseUrl);
  await signIn(luis, password, otherEmail);
  await live(luis);
  await luis.evaluate(() => (window.notReloaded = true));

  step = 'an empty form says at the field what is missing';
  await ana.getByRole('link', { name: 'Nueva tarea' }).click();
  await ana.getByRole('button', { name: 'Crear tarea' }).click();
  await ana.locator('.field-wrong').first().waitFor();
  await picture(ana, 'field-errors');

  step = 'a task is created with a place picked on the map';
  await createTask(ana);
  await ana.getByRole('dialog').getByText(title).waitFor();
  await picture(ana, 'created');

  step = 'the second person sees it appear';
  await card(luis, 'scheduled').waitFor();

  step = 'a step moves the card on both screens';
  await act(ana, 'Iniciar');
  await card(luis, 'in-progress').waitFor();
  await card(luis, 'scheduled').waitFor({ state: 'detached' });
  await picture(luis, 'moved-by-itself');

  step = 'a cut connection shows, and nothing is missed';
  await luis.context().setOffline(true);
  await luis.locator('[data-phase="offline"]').waitFor();
  await luis.getByText('Esta pantalla no está en vivo', { exact: false }).waitFor();
  await picture(luis, 'offline');
  await act(ana, 'Pausar');
  await card(ana, 'paused').waitFor();
  assert.equal(await card(luis, 'paused').count(), 0);
  await luis.context().setOffline(false);
  await card(luis, 'paused').waitFor();
  await live(luis);

  step = 'the history tells the steps';
  await ana.locator('.history').getByText('Pausada', { exact: false }).first().waitFor();
  await picture(ana, 'detail');

  step = 'the nearest agents are offered';
  await ana.getByRole('dialog').getByRole('button', { name: 'Asignar agente' }).click();
  await ana.getByRole('heading', { name: /Recomendados/ }).waitFor();
  await picture(ana, 'assign');

  await mapScenario(luis);
  assert.equal(await luis.evaluate(() => window.notReloaded), true, 'the page was reloaded');

  step = 'a cancelled task asks why and moves to its column';
  await act(ana, 'Cancelar tarea');
  await ana.getByLabel('Motivo').fill('Fin de la prueba');
  await act(ana, 'Confirmar cancelación');
  await card(ana, 'cancelled').waitFor();

  await emergencyScenario(ana, luis);
  await languageScenario(ana);
  await phoneScenario();
}

async function mapScenario(page) {
  step = 'the map shows tasks and agents';
  const token = await login(baseUrl, email, password);
  const agent = await locatedAgent(baseUrl, token);
  await page.getByRole('link', { name: 'Mapa', exact: true }).click();
  const marker = page.locator(`[data-pin="agent-${agent.id}"]`);
  await marker.waitFor();
  await page.locator('[data-pin^="task-"]').first().waitFor();
  await picture(page, 'map');

  step = 'a moved agent moves on the map by itself';
  const before = await marker.boundingBox();
  const { latitude, longitude } = agent.position.location;
  const goal = { latitude: latitude + 0.004, longitude: longitude + 0.004 };
  await reportPosition(baseUrl, token, agent.id, goal);
  await page.waitForFunction(
    ({ key, at }) => document.querySelector(`[data-pin="${key}"]`)?.getAttribute('data-at') === at,
    { key: `agent-${agent.id}`, at: `${goal.latitude},${goal.longitude}` },
  );
  assert.notDeepEqual(await marker.boundingBox(), before, 'the marker stands where it stood');
  await reportPosition(baseUrl, token, agent.id, { latitude, longitude });

  step = 'a marker tells about its agent';
  await marker.focus();
  await page.keyboard.press('Enter');
  await page.locator('.leaflet-popup').getByText(agent.code).first().waitFor();
  await picture(page, 'popup');
  await page.getByRole('link', { name: 'Tablero' }).click();
}

async function emergencyScenario(ana, luis) {
  const what = `${title}: persona herida`;
  step = 'a call for help is reported on one screen and stands above every page of the other';
  await ana.getByRole('link', { name: 'Emergencias' }).click();
  await ana.getByRole('link', { name: 'Reportar emergencia' }).click();
  await ana.getByLabel('Qué ocurre').fill(what);
  await ana.locator('.map .zone').first().waitFor();
  await ana.getByRole('region', { name: 'Mapa para elegir la ubicación' }).click();
  await ana.waitForFunction(() => document.querySelector('.picked') !== null);
  await picture(ana, 'raise');
  await ana.getByRole('button', { name: 'Enviar ahora' }).click();
  await ana.getByRole('dialog').getByText(what).waitFor();
  const banner = luis.getByRole('alert').filter({ hasText: what });
  await banner.waitFor();
  await picture(luis, 'emergency-banner');

  step = 'whoever opens it has seen it, and whoever takes care of it ends the alarm on all screens';
  await banner.getByRole('link', { name: 'Atender' }).click();
  await ana.locator('.history').getByText('Vista').waitFor();
  await luis.getByRole('dialog').getByText(what).waitFor();
  await picture(luis, 'emergency');
  await luis.getByLabel('Nota').fill('Va una ambulancia');
  await act(luis, 'Me hago cargo');
  await ana.locator('.history').getByText('Va una ambulancia').waitFor();
  await banner.waitFor({ state: 'detached' });
  await picture(ana, 'emergency-answered');
  await luis.getByRole('link', { name: 'Mapa', exact: true }).click();
  await luis.locator('[data-pin^="emergency-"]').waitFor();
  await picture(luis, 'emergency-map');

  step = 'the end of its task is its end';
  await ana.getByRole('link', { name: 'Abrir la tarea' }).click();
  await act(ana, 'Cancelar tarea');
  await ana.getByLabel('Motivo').fill('Fin de la prueba');
  await act(ana, 'Confirmar cancelación');
  await luis.locator('[data-pin^="emergency-"]').waitFor({ state: 'detached' });
  await ana.getByRole('link', { name: 'Emergencias' }).click();
  await ana.getByRole('region', { name: 'Últimas cerradas' }).getByText(what).waitFor();
  await fits(ana);
  await picture(ana, 'emergencies');
  await ana.getByRole('link', { name: 'Tablero', exact: true }).click();
}

async function languageScenario(page) {
  step = 'the language changes and stays';
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByRole('heading', { name: 'Task board' }).waitFor();
  await page.reload();
  await page.getByRole('heading', { name: 'Task board' }).waitFor();
  assert.equal(await page.locator('html').getAttribute('lang'), 'en');
  await live(page);
  await picture(page, 'english');
}

async function phoneScenario() {
  step = 'a phone shows the board, a task and the map';
  const phone = await person('phone', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' });
  await phone.goto(baseUrl);
  await picture(phone, 'phone-sign-in');
  await signIn(phone, password);
  await live(phone);
  await phone.locator('[data-task] a').first().click();
  await phone.getByRole('dialog').getByRole('heading', { level: 2 }).waitFor();
  await fits(phone);
  await picture(phone, 'phone-task');
  await phone.getByRole('button', { name: 'Cerrar' }).click();
  await picture(phone, 'phone-board');
  await fits(phone);
  await phone.getByRole('link', { name: 'Mapa', exact: true }).click();
  await phone.locator('[data-pin]').first().waitFor();
  await fits(phone);
  await picture(phone, 'phone-map');
  await phone.getByRole('link', { name: 'Nueva tarea' }).click();
  await phone.getByLabel('Título').waitFor();
  await fits(phone);
  await picture(phone, 'phone-create');
}

async function signIn(page, secret, name = email) {
  await page.getByLabel('Correo o usuario').fill(name);
  await page.getByLabel('Contraseña', { exact: true }).fill(secret);
  await page.getByRole('button', { name: 'Entrar' }).click();
}

async function createTask(page) {
  await page.getByLabel('Título').fill(title);
  await page.getByLabel('Tipo').selectOption({ label: 'Patrullaje' });
  await page.getByLabel('Prioridad').selectOption({ label: 'Urgente' });
  await page.getByLabel('Descripción').fill('Creada por la prueba del tablero.');
  // The zones bring the map to the city; a place in the first of them is a place that makes sense.
  await page.locator('.map .zone').first().waitFor();
  await page.getByRole('region', { name: 'Mapa para elegir la ubicación' }).click();
  await page.waitForFunction(() => document.querySelector('.picked') !== null);
  assert.match(await page.getByLabel('Latitud').inputValue(), /^-?\d+\.\d+$/);
  await page.getByRole('button', { name: 'Crear tarea' }).click();
}

/** The card of the created task in a column. */
function card(page, column) {
  return page.locator(`[data-column="${column}"] [data-task]`, { hasText: title });
}

function act(page, name) {
  return page.getByRole('dialog').getByRole('button', { name, exact: true }).click();
}

function live(page) {
  return page.locator('[data-phase="live"]').waitFor();
}
