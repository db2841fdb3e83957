// The bell: a real emergency and a real assignment ring it, on the screens of those whom they concern.
import assert from 'node:assert/strict';
import { fits } from './browser.mjs';
import { call } from './rest.mjs';
import { AGENT, asPhone, BASE_URL, SUPERVISOR, tell } from './story.mjs';

await tell('bell', async ({ enter, step, picture, token }) => {
  const [supervisor, agent] = [await token(SUPERVISOR), await token(AGENT)];
  const rest = (path, body, who = supervisor) => call(BASE_URL, path, { token: who, body });
  const [mine] = (await rest('/v1/agents', undefined, agent)).agents;
  const draft = { title: 'Acompañar el desfile', kind: 'TASK_KIND_PATROL', priority: 'TASK_PRIORITY_MEDIUM' };
  const task = await rest('/v1/tasks', draft);
  const field = await enter(AGENT);
  const room = await enter(SUPERVISOR);
  const bell = (page) => page.getByRole('banner').getByRole('button', { name: /^Avisos/ });
  const panel = (page) => page.getByRole('region', { name: 'Avisos' });
  const unread = async (page) => Number(/\d+/.exec((await bell(page).getAttribute('aria-label')) ?? '')?.[0] ?? 0);

  step('an assignment rings on the screen of the agent');
  const before = await unread(field);
  await rest(`/v1/tasks/${task.id}:assign`, { agent_id: mine.id });
  await field.waitForFunction(
    (least) => Number(/\d+/.exec(document.querySelector('.bell > button').getAttribute('aria-label') ?? '')?.[0] ?? 0) > least,
    before,
  );
  await bell(field).click();
  const told = panel(field).getByRole('listitem').filter({ hasText: task.code }).first();
  await told.getByText('Asignación').waitFor();
  await picture(field, 'assigned');

  step('it opens the task, and is read by that');
  const count = await unread(field);
  await told.getByRole('link').click();
  await field.getByRole('dialog').getByText('Acompañar el desfile').waitFor();
  await field.waitForFunction(
    (most) => Number(/\d+/.exec(document.querySelector('.bell > button').getAttribute('aria-label') ?? '')?.[0] ?? 0) < most,
    count,
  );

  step('an emergency rings in the control room, and opens as such');
  const where = mine.position?.location ?? { latitude: 4.65, longitude: -74.07 };
  const emergency = await rest('/v1/emergencies', { location: where, description: 'Choque en el cruce' }, agent);
  await bell(room).click();
  const alarm = panel(room).getByRole('listitem').filter({ hasText: 'Emergencia' }).first();
  await alarm.waitFor();
  await picture(room, 'emergency');
  await alarm.getByRole('link').click();
  await room.getByRole('dialog').getByText('Choque en el cruce').waitFor();
  assert.ok(room.url().endsWith(`/emergencies/${emergency.id}`), room.url());

  step('all is read at once, and Escape gives the focus back');
  const another = await rest('/v1/tasks', { ...draft, title: 'Vigilar la plaza' });
  await rest(`/v1/tasks/${another.id}:assign`, { agent_id: mine.id });
  await bell(field).click();
  const last = panel(field).getByRole('listitem').filter({ hasText: another.code });
  await last.getByText('Sin leer').waitFor({ state: 'attached' });
  await panel(field).getByRole('button', { name: 'Marcar todos como leídos' }).click();
  // Whom the emergency calls hears more of it meanwhile.
  await last.getByText('Sin leer').waitFor({ state: 'detached' });
  await picture(field, 'read');
  await field.keyboard.press('Escape');
  await panel(field).waitFor({ state: 'detached' });
  assert.equal(await field.evaluate(() => document.activeElement?.parentElement?.className), 'bell');

  step('it fits a phone');
  await bell(field).click();
  await asPhone(field, async () => {
    await panel(field).waitFor();
    await fits(field);
    await picture(field, 'phone');
  });
  await rest(`/v1/tasks/${emergency.task_id}:cancel`, { reason: 'Fin de la prueba' });
});
