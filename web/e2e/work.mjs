// A task's panel: comments, checklist, files, dependencies and signs of life, with somebody else at work in the field.
import assert from 'node:assert/strict';
import { fits } from './browser.mjs';
import { call } from './rest.mjs';
import { AGENT, asPhone, BASE_URL, SUPERVISOR, tell } from './story.mjs';

/** A picture of one point. */
const PNG = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg==',
  'base64',
);

await tell('work', async ({ enter, step, picture, token }) => {
  const [supervisor, agent] = [await token(SUPERVISOR), await token(AGENT)];
  const rest = (path, body, who = supervisor) => call(BASE_URL, path, { token: who, body });
  const create = (title) => rest('/v1/tasks', { title, kind: 'TASK_KIND_PATROL', priority: 'TASK_PRIORITY_HIGH' });
  const [mine] = (await rest('/v1/agents', undefined, agent)).agents;
  const first = await create('Cerrar la calle');
  const task = await create('Revisar el alumbrado');
  const page = await enter(SUPERVISOR);
  const panel = page.getByRole('dialog');
  const part = (name) => panel.getByRole('region', { name });
  const open = async (id) => {
    await page.goto(`${BASE_URL}/board/${id}`);
    await panel.getByRole('heading', { level: 2 }).waitFor();
  };

  step('the panel says what there is not');
  await open(task.id);
  await part('Comentarios').getByText('Nadie ha comentado.').waitFor();
  await picture(page, 'empty');

  step('items are added and ticked off');
  for (const title of ['Postes', 'Cables']) {
    await part('Lista de control').getByLabel('Punto nuevo').fill(title);
    await part('Lista de control').getByRole('button', { name: 'Añadir' }).click();
    await part('Lista de control').getByLabel(title, { exact: true }).waitFor();
  }
  await part('Lista de control').getByLabel('Postes', { exact: true }).check();
  await part('Lista de control').getByText('1 / 2').waitFor();

  step('a comment is said, and one from the field appears by itself');
  await part('Comentarios').getByRole('button', { name: 'Enviar' }).click();
  await part('Comentarios').getByText('Escriba algo.').waitFor();
  await part('Comentarios').getByLabel('Escribir un comentario').fill('Hay dos postes caídos.\nFalta la grúa.');
  await part('Comentarios').getByRole('button', { name: 'Enviar' }).click();
  await part('Comentarios').getByText('Falta la grúa.').waitFor();
  await rest(`/v1/tasks/${task.id}:assign`, { agent_id: mine.id });
  await rest(`/v1/tasks/${task.id}/comments`, { text: 'Voy en camino', kind: 'COMMENT_KIND_NOTE' }, agent);
  await part('Comentarios').getByText('Voy en camino').waitFor();

  step('an own comment is changed');
  const said = part('Comentarios').getByRole('listitem').filter({ hasText: 'Falta la grúa.' });
  await said.getByRole('button', { name: 'Editar' }).click();
  await part('Comentarios').getByLabel('Comentario', { exact: true }).fill('La grúa ya llegó.');
  await part('Comentarios').getByRole('button', { name: 'Guardar' }).click();
  await part('Comentarios').getByText('La grúa ya llegó.').waitFor();

  step('a file is refused in words, and a good one is attached, shown and downloaded');
  await part('Adjuntos').getByRole('button', { name: 'Adjuntar un archivo' }).click();
  const form = part('Adjuntos').getByRole('form');
  await form.getByRole('button', { name: 'Adjuntar', exact: true }).click();
  await form.getByText('Elija un archivo.').waitFor();
  await form.getByLabel('Archivo', { exact: true }).setInputFiles({ name: 'virus.exe', mimeType: 'image/png', buffer: Buffer.from('MZ not a picture') });
  await form.getByRole('button', { name: 'Adjuntar', exact: true }).click();
  await form.getByRole('alert').waitFor();
  await form.getByRole('alert').scrollIntoViewIfNeeded();
  await picture(page, 'refused-file');
  await form.getByLabel('Archivo', { exact: true }).setInputFiles({ name: 'poste.png', mimeType: 'image/png', buffer: PNG });
  await form.getByLabel('Qué muestra').fill('El poste de la esquina');
  await form.getByRole('button', { name: 'Adjuntar', exact: true }).click();
  const file = part('Adjuntos').getByRole('listitem').filter({ hasText: 'poste.png' });
  await file.getByText('El poste de la esquina').waitFor();
  const download = page.waitForEvent('download');
  await file.getByRole('button', { name: 'Descargar poste.png' }).click();
  assert.equal((await download).suggestedFilename(), 'poste.png');
  await file.getByRole('button', { name: 'Ver poste.png' }).click();
  await page.locator('dialog img').waitFor();
  await page.locator('dialog').getByRole('button', { name: 'Cerrar' }).click();
  await picture(page, 'file');

  step('a file that is too large for this door is refused before long');
  await part('Adjuntos').getByRole('button', { name: 'Adjuntar un archivo' }).click();
  await form.getByLabel('Archivo', { exact: true }).setInputFiles({ name: 'grande.png', mimeType: 'image/png', buffer: Buffer.concat([PNG, Buffer.alloc(12_000_000)]) });
  await form.getByRole('button', { name: 'Adjuntar', exact: true }).click();
  await form.getByText('demasiado grande').waitFor();
  await form.getByRole('button', { name: 'Cancelar' }).click();

  step('what waits for another cannot start, and the panel says why');
  await part('Depende de').getByLabel('Esperar a la tarea').fill('NO-EXISTE');
  await part('Depende de').getByRole('button', { name: 'Añadir' }).click();
  await part('Depende de').getByText('No hay ninguna tarea con ese código.').waitFor();
  await part('Depende de').getByLabel('Esperar a la tarea').fill(`${first.code} · ${first.title}`);
  await part('Depende de').getByRole('button', { name: 'Añadir' }).click();
  await part('Depende de').getByText('No puede iniciar').waitFor();
  await panel.getByRole('button', { name: 'Iniciar' }).click();
  await panel.getByRole('alert').filter({ hasText: 'depende' }).waitFor();
  await picture(page, 'waits');
  await part('Depende de').getByText('No puede iniciar').scrollIntoViewIfNeeded();
  await picture(page, 'dependency');

  step('once the other is finished it starts');
  await rest(`/v1/tasks/${first.id}:start`, {});
  await rest(`/v1/tasks/${first.id}:finish`, {});
  await part('Depende de').getByText('No puede iniciar').waitFor({ state: 'detached' });
  await panel.getByRole('button', { name: 'Iniciar' }).click();
  await part('Señales de vida').getByText('Sin novedad').waitFor();

  step('who says that somebody else is well says why');
  await part('Señales de vida').getByRole('button', { name: /está bien$/ }).click();
  const ask = page.locator('dialog');
  await ask.getByRole('button', { name: 'Está bien' }).click();
  await ask.getByText('Escriba el motivo.').waitFor();
  await picture(page, 'is-well');
  await ask.getByLabel('Motivo').fill('Por radio');
  await ask.getByRole('button', { name: 'Está bien' }).click();
  await part('Señales de vida').getByText('Última hace').waitFor();
  await panel.getByRole('heading', { level: 2 }).scrollIntoViewIfNeeded();
  await picture(page, 'running');

  step('all of it fits a phone');
  await asPhone(page, async () => {
    for (const name of ['Señales de vida', 'Adjuntos', 'Comentarios']) {
      await part(name).scrollIntoViewIfNeeded();
      await fits(page);
      await picture(page, `phone-${name.split(' ')[0]}`);
    }
  });
});
