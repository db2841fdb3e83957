// What is kept in the administration: policies, webhooks, rules, deliveries, templates and geofences.
import assert from 'node:assert/strict';
import { fits } from './browser.mjs';
import { call, locatedAgent, reportPosition } from './rest.mjs';
import { ADMINISTRATOR, asPhone, BASE_URL, SUPERVISOR, tell } from './story.mjs';

/** Unlike what earlier stories may have left. */
const PROGRAM = `Central ${Date.now().toString(36)}`;

await tell('rules', async (story) => {
  const admin = await story.enter(ADMINISTRATOR);
  await policies(story, admin);
  await webhooks(story, admin);
  await rules(story, admin);
  await deliveries(story, admin);
  const room = await story.enter(SUPERVISOR);
  await templates(story, room);
  await geofences(story, admin);
  story.step('all of it fits a phone');
  await asPhone(admin, async () => {
    for (const part of ['policies', 'webhooks', 'rules', 'deliveries', 'templates', 'geofences', 'rules/new', 'templates/new']) {
      await admin.goto(`${BASE_URL}/admin/${part}`);
      await admin.getByRole(part.endsWith('new') ? 'dialog' : 'table').or(admin.getByText('Nada con este filtro.')).first().waitFor();
      await fits(admin);
      await story.picture(admin, `phone-${part.replace('/', '-')}`);
    }
  });
});

async function part(page, name) {
  await page.getByRole('link', { name: 'Administración', exact: true }).click();
  await page.getByRole('navigation', { name: 'Administración' }).getByRole('link', { name, exact: true }).click();
}

async function policies({ step, picture }, page) {
  step('the policies of a kind of task are changed');
  await part(page, 'Políticas');
  await page.getByRole('button', { name: 'Cambiar señales de vida: Patrullaje' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Cada cuántos minutos').fill('15');
  await dialog.getByLabel('Plazo tras una que falta').fill('0');
  await dialog.getByRole('button', { name: 'Guardar' }).click();
  await dialog.locator('.field-error').waitFor();
  await dialog.getByLabel('Plazo tras una que falta').fill('5');
  await picture(page, 'policy');
  await dialog.getByRole('button', { name: 'Guardar' }).click();
  await page.getByRole('table', { name: 'Señales de vida' }).getByRole('row').filter({ hasText: 'Patrullaje' }).getByText('15 min').waitFor();
  await page.getByRole('button', { name: 'Cambiar pruebas del trabajo: Inspección' }).click();
  await dialog.getByLabel('Fotos').fill('1');
  await dialog.getByRole('button', { name: 'Guardar' }).click();
  await page.getByRole('table', { name: 'Pruebas del trabajo' }).getByRole('row').filter({ hasText: 'Inspección' }).getByText('1').waitFor();
  await page.getByRole('button', { name: 'Cambiar despacho: Patrullaje' }).click();
  await dialog.getByLabel('Agentes por tarea').fill('2');
  await dialog.getByRole('button', { name: 'Guardar' }).click();
  await dialog.waitFor({ state: 'detached' });
  await picture(page, 'policies');
}

async function webhooks({ step, picture }, page) {
  step('a webhook shows its secret this once');
  await part(page, 'Webhooks');
  await page.getByRole('button', { name: 'Webhook nuevo' }).click();
  const panel = page.getByRole('dialog');
  await panel.getByLabel('Dirección').fill('ftp://example.org');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  await panel.locator('.field-error').first().waitFor();
  await picture(page, 'webhook-refused');
  await panel.getByLabel('Nombre').fill(PROGRAM);
  await panel.getByLabel('Dirección').fill('https://localhost/gad');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  const secret = await page.locator('.secret').textContent();
  assert.ok(secret && secret.length >= 20, 'no secret');
  await picture(page, 'secret');
  await page.getByRole('button', { name: 'La he guardado' }).click();
  await page.getByRole('link', { name: PROGRAM }).waitFor();
  assert.ok(!(await page.content()).includes(secret), 'the secret is still on the page');

  step('another secret takes its place');
  await page.getByRole('link', { name: PROGRAM }).click();
  await panel.getByRole('button', { name: 'Cambiar la clave' }).click();
  await page.locator('dialog').getByRole('button', { name: 'Cambiar la clave' }).click();
  assert.notEqual(await page.locator('.secret').textContent(), secret);
  await page.getByRole('button', { name: 'La he guardado' }).click();
}

async function rules({ step, picture }, page) {
  step('a rule says what it lacks, and then is kept');
  await part(page, 'Avisos');
  await page.getByRole('button', { name: 'Regla nueva' }).click();
  const panel = page.getByRole('dialog');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  await panel.locator('.field-error').first().waitFor();
  await panel.getByLabel('Nombre').fill(`Comentarios a ${PROGRAM}`);
  await panel.getByLabel('Comentario', { exact: true }).check();
  await panel.getByLabel(PROGRAM).check();
  await picture(page, 'rule');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  await page.getByRole('link', { name: `Comentarios a ${PROGRAM}` }).waitFor();
  await picture(page, 'rules');
}

async function deliveries({ step, picture, token }, page) {
  step('what was given up shows, and is tried again');
  const supervisor = await token(SUPERVISOR);
  const rest = (path, body) => call(BASE_URL, path, { token: supervisor, body });
  const task = await rest('/v1/tasks', { title: 'Contar los faroles', kind: 'TASK_KIND_ADMINISTRATIVE' });
  await rest(`/v1/tasks/${task.id}/comments`, { text: 'Son doce' });
  await part(page, 'Envíos');
  const row = page.getByRole('row').filter({ hasText: PROGRAM });
  await again(page, async () => (await row.count()) > 0);
  await picture(page, 'deliveries');
  await row.first().getByRole('button', { name: 'Reintentar' }).click();
  await page.getByLabel('Motivo').fill('Ya hay red');
  await page.locator('dialog').getByRole('button', { name: 'Reintentar' }).click();
  await page.getByText('El envío vuelve a la cola').waitFor();
}

/** Asks again until it is so. */
async function again(page, isSo) {
  await page.getByRole('table').or(page.getByText('Nada con este filtro.')).first().waitFor();
  for (let left = 60; left > 0 && !(await isSo()); left -= 1) {
    const answered = page.waitForResponse((response) => response.url().endsWith('/ListDeliveries'));
    await page.getByRole('button', { name: 'Actualizar' }).click();
    await answered;
  }
  assert.ok(await isSo(), 'it did not come');
}

async function templates({ step, picture }, page) {
  step('a supervisor keeps templates, and sees their next times before they are saved');
  await part(page, 'Plantillas');
  assert.equal(await page.getByRole('navigation', { name: 'Administración' }).getByRole('link').count(), 2);
  await page.getByRole('button', { name: 'Plantilla nueva' }).click();
  const panel = page.getByRole('dialog');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  await panel.locator('.field-error').first().waitFor();
  await panel.getByLabel('Nombre de la plantilla').fill(`Ronda ${PROGRAM}`);
  await panel.getByLabel('Título de sus tareas').fill('Rondar el mercado');
  await panel.getByLabel('Lista de control').fill('Puertas\nCámaras');
  await panel.getByLabel('Se repite').selectOption({ label: 'Regla propia' });
  await panel.getByLabel('Regla (RFC 5545)').fill('FREQ=SECONDLY');
  await panel.locator('.plan-next .field-error').waitFor();
  await panel.getByLabel('Se repite').selectOption({ label: 'Cada semana' });
  for (const day of ['lun', 'jue']) await panel.getByLabel(day, { exact: true }).check();
  await panel.getByLabel('Desde').fill('2027-01-04T08:00');
  await panel.getByLabel('Zona horaria').fill('America/Guayaquil');
  const next = panel.locator('.plan-next li').filter({ hasText: /^(lun|jue).*08:00/ });
  await next.nth(4).waitFor();
  await panel.locator('.plan-next').scrollIntoViewIfNeeded();
  await picture(page, 'template');
  await panel.getByRole('button', { name: 'Guardar' }).click();
  await page.getByRole('row').filter({ hasText: `Ronda ${PROGRAM}` }).getByText('Cada semana: lun, jue').waitFor();
  await page.getByRole('button', { name: `Crear ahora: Ronda ${PROGRAM}` }).click();
  await page.getByText(/Tarea .+ creada/).waitFor();
  await picture(page, 'templates');
}

async function geofences({ step, picture, token }, page) {
  step('a zone is drawn, a fence is put around it');
  await part(page, 'Geocercas');
  await page.getByRole('button', { name: 'Geocerca nueva' }).click();
  const panel = page.getByRole('dialog');
  await panel.getByRole('button', { name: 'Dibujar una zona nueva' }).click();
  const map = panel.getByRole('region', { name: 'Mapa para dibujar la zona' });
  await map.locator('.zone').first().waitFor();
  for (const position of [{ x: 150, y: 100 }, { x: 220, y: 100 }, { x: 190, y: 170 }]) await map.click({ position });
  await panel.getByText('3 esquinas').waitFor();
  await panel.getByLabel('Latitud y longitud de una esquina').fill('aquí');
  await panel.getByRole('button', { name: 'Añadir' }).click();
  await panel.getByText('Escriba dos números.').waitFor();
  await panel.getByLabel('Latitud y longitud de una esquina').fill('4.65, -74.2');
  await panel.getByRole('button', { name: 'Añadir' }).click();
  await panel.getByText('4 esquinas').waitFor();
  await panel.getByRole('button', { name: 'Quitar la última' }).click();
  await panel.getByText('3 esquinas').waitFor();
  const code = `P${Date.now().toString(36)}`.toUpperCase();
  await panel.getByLabel('Nombre de la zona').fill(`Plaza ${code}`);
  await panel.getByLabel('Código de la zona').fill(code);
  await picture(page, 'zone');
  await panel.getByRole('button', { name: 'Guardar la zona' }).click();
  await panel.getByText('Elíjala en la lista').waitFor();
  await panel.locator('.zone-chosen').waitFor();
  await panel.getByRole('button', { name: 'Guardar', exact: true }).click();
  await panel.locator('.field-error').first().waitFor();
  await panel.getByLabel('Nombre', { exact: true }).fill('Plaza vigilada');
  await picture(page, 'fence');

  step('whoever comes in shows by itself');
  const administrator = await token(ADMINISTRATOR);
  const agent = await locatedAgent(BASE_URL, administrator);
  const { latitude, longitude } = agent.position.location;
  const [south, west, size] = [latitude + 0.002, longitude + 0.002, 0.004];
  const corner = (north, east) => ({ latitude: south + north * size, longitude: west + east * size });
  const boundary = [corner(0, 0), corner(0, 1), corner(1, 1), corner(1, 0), corner(0, 0)];
  const zone = await call(BASE_URL, '/v1/zones', { token: administrator, body: { code: `${code}B`, display_name: 'Puerto', boundary } });
  await page.reload();
  await panel.getByLabel('Zona', { exact: true }).selectOption({ value: String(zone.id) });
  await panel.getByLabel('Nombre', { exact: true }).fill(`Puerto ${PROGRAM}`);
  await panel.getByLabel('Posiciones').fill('1');
  await panel.getByLabel('Margen (m)').fill('0');
  await panel.getByRole('button', { name: 'Guardar', exact: true }).click();
  await page.getByRole('link', { name: `Puerto ${PROGRAM}` }).waitFor();
  const now = Date.now();
  await reportPosition(BASE_URL, administrator, agent.id, { latitude, longitude }, now);
  await reportPosition(BASE_URL, administrator, agent.id, corner(0.5, 0.5), now + 20_000);
  await page.getByRole('table', { name: 'Últimos sucesos' }).getByRole('row').filter({ hasText: `Puerto ${PROGRAM}` }).getByText('Entró').waitFor();
  await picture(page, 'geofences');
}
