// Statistics, the board as a file, and one action on many tasks.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { fits } from './browser.mjs';
import { call, locatedAgent } from './rest.mjs';
import { asPhone, BASE_URL, SUPERVISOR, tell } from './story.mjs';

await tell('numbers', async ({ enter, step, picture, token }) => {
  const supervisor = await token(SUPERVISOR);
  const rest = (path, body) => call(BASE_URL, path, { token: supervisor, body });
  const mark = `Lote ${Date.now().toString(36)}`;
  const agent = await locatedAgent(BASE_URL, supervisor);
  const create = (title, priority = 'TASK_PRIORITY_MEDIUM') =>
    rest('/v1/tasks', { title: `${mark} ${title}`, kind: 'TASK_KIND_TRAINING', priority, location: agent.position.location });
  const page = await enter(SUPERVISOR);

  step('the counts of this moment grow by themselves');
  await page.getByRole('link', { name: 'Estadísticas' }).click();
  const scheduled = page.locator('[data-kpi="scheduledCount"] dd');
  await scheduled.waitFor();
  const before = Number(await scheduled.textContent());
  const created = [await create('uno'), await create('dos'), await create('tres', 'TASK_PRIORITY_URGENT')];
  await rest(`/v1/tasks/${created[2].id}:assign`, { agent_id: agent.id });
  await page.waitForFunction((least) => Number(document.querySelector('[data-kpi="scheduledCount"] dd')?.textContent) >= least, before + 3);

  step('groups, periods and limits change what is counted');
  await page.getByRole('region', { name: 'Por tipo' }).getByRole('cell', { name: 'Entrenamiento' }).waitFor();
  await picture(page, 'by-kind');
  await page.getByLabel('Agrupar por').selectOption({ label: 'Zona' });
  await page.getByRole('region', { name: 'Por zona' }).getByRole('row').nth(1).waitFor();
  await page.getByLabel('Agrupar por').selectOption({ label: 'Agente' });
  await page.getByRole('region', { name: 'Por agente' }).getByRole('row').nth(1).waitFor();
  await page.getByLabel('Tipo').selectOption({ label: 'Entrenamiento' });
  await page.getByLabel('Agrupar por').selectOption({ label: 'Tipo' });
  const kinds = page.getByRole('region', { name: 'Por tipo' }).getByRole('row');
  await kinds.filter({ hasText: 'Entrenamiento' }).waitFor();
  assert.equal(await kinds.count(), 2);
  await page.getByLabel('Agrupar por').selectOption({ label: 'Día (UTC)' });
  await page.getByRole('region', { name: 'Por día' }).getByRole('row').nth(1).waitFor();
  await picture(page, 'by-day');
  await asPhone(page, async () => {
    await fits(page);
    await picture(page, 'phone-statistics');
    await page.getByRole('region', { name: 'Cuánto tarda' }).scrollIntoViewIfNeeded();
    await picture(page, 'phone-durations');
  });

  step('the board as filtered comes as a file');
  await page.getByRole('link', { name: 'Tablero' }).click();
  await page.getByLabel('Buscar').fill(mark);
  await page.locator('[data-task]').nth(2).waitFor();
  await page.getByRole('button', { name: 'Exportar' }).click();
  await page.getByLabel('Formato').selectOption({ label: 'CSV' });
  await picture(page, 'export');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Descargar' }).click();
  const file = await download;
  assert.match(file.suggestedFilename(), /^gad-tareas-.*\.csv$/);
  const text = readFileSync(await file.path(), 'utf8');
  for (const { code } of created) assert.ok(text.includes(code), `${code} is not in the file`);
  assert.equal(text.trim().split('\n').length, created.length + 1);

  step('tasks come from a file, first only checked, and each row says what became of it');
  const dialog = page.getByRole('dialog', { name: 'Importar' });
  const row = (title, kind) => JSON.stringify({ title: `${mark} ${title}`, code: `${mark}-${title}`.replaceAll(' ', '-'), kind });
  const lines = [row('importada', 'TASK_KIND_TRAINING'), row('', 'TASK_KIND_TRAINING').replace(`"${mark} "`, '""')];
  await page.getByRole('button', { name: 'Importar' }).click();
  await dialog.getByRole('button', { name: 'Importar' }).click();
  await dialog.getByText('Elija un archivo.').waitFor();
  await dialog.getByLabel('Archivo').setInputFiles({ name: 'tareas.jsonl', mimeType: 'application/x-ndjson', buffer: Buffer.from(lines.join('\n')) });
  await dialog.getByRole('button', { name: 'Solo comprobar' }).click();
  await dialog.getByText('No se ha creado nada. Nuevas: 1. Ya existían: 0. No admitidas: 1.').waitFor();
  await picture(page, 'import');
  await dialog.getByRole('button', { name: 'Importar' }).click();
  await dialog.getByText(/^Nuevas: 1\. Ya existían: 0\. No admitidas: 1\.$/).waitFor();
  await dialog.getByRole('button', { name: 'Cerrar' }).click();
  await page.locator('[data-task]').filter({ hasText: `${mark} importada` }).waitFor();

  step('many tasks are changed at once, and each says what became of it');
  await rest(`/v1/tasks/${created[1].id}:start`, {});
  await page.locator(`[data-column="in-progress"] [data-task="${created[1].id}"]`).waitFor();
  await page.getByRole('button', { name: 'Seleccionar', exact: true }).click();
  const bar = page.getByRole('region', { name: 'Cambiar las tareas seleccionadas' });
  await bar.getByRole('button', { name: 'Aplicar' }).click();
  await bar.getByText('Marque alguna tarea.').waitFor();
  for (const { code } of created) await page.getByLabel(`Seleccionar ${code}`, { exact: true }).check();
  await bar.getByText('3 seleccionadas').waitFor();
  await picture(page, 'chosen');
  await bar.getByRole('button', { name: 'Aplicar' }).click();
  const results = page.getByRole('dialog', { name: 'Resultado' });
  await results.getByText('Cambiadas: 2. No admitidas: 1.').waitFor();
  await results.getByRole('row').filter({ hasText: created[1].code }).getByText('No admitida').waitFor();
  await picture(page, 'results');
  await results.getByRole('button', { name: 'Cerrar' }).click();
  await page.locator(`[data-column="in-progress"] [data-task="${created[0].id}"]`).waitFor();

  step('all or none changes none if one refuses');
  for (const { code } of created) await page.getByLabel(`Seleccionar ${code}`, { exact: true }).check();
  await bar.getByLabel('Acción').selectOption({ label: 'Asignar agente' });
  await bar.getByRole('button', { name: 'Aplicar' }).click();
  await bar.getByText('Elija el agente.').waitFor();
  await bar.getByLabel('Acción').selectOption({ label: 'Reanudar' });
  await bar.getByLabel('Todas o ninguna').check();
  await bar.getByRole('button', { name: 'Aplicar' }).click();
  await results.getByText('No se cambió ninguna').waitFor();
  await results.getByRole('button', { name: 'Cerrar' }).click();

  step('the priority of a whole column changes at once');
  await page.getByLabel('Seleccionar las que se ven: en curso').check();
  await bar.getByLabel('Acción').selectOption({ label: 'Cambiar prioridad' });
  await bar.getByLabel('Prioridad').selectOption({ label: 'Crítica' });
  await bar.getByRole('button', { name: 'Aplicar' }).click();
  await results.getByText('Cambiadas: 3.').waitFor();
  await results.getByRole('button', { name: 'Cerrar' }).click();
  await page.locator(`[data-task="${created[0].id}"]`).getByText('Crítica').waitFor();
  await asPhone(page, async () => {
    await fits(page);
    await picture(page, 'phone-chosen');
  });
  await bar.getByRole('button', { name: 'Terminar' }).click();
  await bar.waitFor({ state: 'detached' });
});
