// The whole cycle of a new person, by forms only, through the front door of a running stack:
//   BASE_URL=… MAIL_DIR=… EMAIL=… PASSWORD=… node e2e/cycle.mjs [--out DIR]
// EMAIL and PASSWORD are an administrator's. Who started it moves the server's clock: a line `later SECONDS` on the
// standard output asks for it, a line on the standard input says that it is so.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { parseArgs } from 'node:util';
import { scan, STEP_MILLIS, totp } from './authenticator.mjs';
import { fits, openBrowser } from './browser.mjs';
import { linkTo } from './mail.mjs';

const { values } = parseArgs({ options: { out: { type: 'string' } } });
const baseUrl = process.env.BASE_URL;
const mailDir = process.env.MAIL_DIR;
const administrator = { email: process.env.EMAIL, password: process.env.PASSWORD };
const ana = { email: 'ana.torres@gad.example', name: 'Ana Torres', password: 'caballo bateria grapa' };
const ACCOUNT_PAGES = ['profile', 'password', 'sessions', 'factor', 'tokens', 'privacy'];
const ADMIN_PAGES = ['users', 'audit', 'retention', 'permissions'];
const PHONE = { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true, colorScheme: 'dark' };

const { person, picture, pictureAll, faults, close } = await openBrowser({ baseUrl, out: values.out });
const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
let ahead = 0;
let step = 'start';

try {
  await scenario();
  assert.deepEqual(faults, [], 'outside requests or errors in the browser');
  console.log('cycle: everything seen');
} catch (error) {
  console.error(`cycle: failed at "${step}"\n${error.stack ?? error}`);
  if (faults.length > 0) console.error(faults.join('\n'));
  await pictureAll('failed');
  process.exitCode = 1;
} finally {
  await close();
  process.stdin.destroy();
}

async function scenario() {
  const chief = await person('administrator');
  await chief.goto(`${baseUrl}/admin/users`);
  await signIn(chief, administrator);
  await invite(chief);

  const desk = await person('desk');
  await accept(desk);
  await signIn(desk, ana);
  await live(desk);
  await picture(desk, 'board');
  await everyPage(desk, ACCOUNT_PAGES, 'account');
  await profile(desk);
  const { secret, codes } = await enrol(desk);

  step = 'whoever signs out is told so, and signs in with a code';
  await desk.getByRole('button', { name: 'Salir' }).click();
  await desk.getByText('Salió correctamente.').waitFor();
  await picture(desk, 'signed-out');
  await signIn(desk, ana);
  await desk.getByText('Falta el segundo paso', { exact: false }).waitFor();
  await picture(desk, 'second-step');
  await desk.getByLabel('Código de verificación').fill('000000');
  await desk.getByRole('button', { name: 'Entrar' }).click();
  await desk.getByRole('alert').waitFor();
  // A code works once: the next one is good already.
  await desk.getByLabel('Código de verificación').fill(code(secret, 1));
  await desk.getByRole('button', { name: 'Entrar' }).click();
  await heading(desk, 'Segundo factor');
  const phone = await revokeTheOther(desk, codes);
  await twoWindows(desk);
  await prove(desk, secret);
  await consents(desk);
  await exportData(desk);
  await changePassword(desk);
  await phoneTour(chief, phone);
  await erase(chief, desk);
  await auditTrail(chief);
  await everyPage(chief, ADMIN_PAGES, 'admin');
  await forgotten();
  await registered();
}

async function invite(page) {
  step = 'an empty invitation says at the field what is missing';
  await page.getByRole('button', { name: 'Invitar' }).click();
  await page.getByRole('button', { name: 'Enviar la invitación' }).click();
  await page.locator('.drawer .field-wrong').first().waitFor();
  await picture(page, 'invite-errors');

  step = 'an administrator invites somebody';
  const form = page.getByRole('dialog');
  await form.getByLabel('Correo electrónico').fill(ana.email);
  await form.getByLabel('Nombre que ven los demás').fill(ana.name);
  await form.getByLabel('Nombres').fill('Ana');
  await form.getByLabel('Apellidos').fill('Torres');
  await form.getByRole('button', { name: 'Enviar la invitación' }).click();
  await form.getByRole('heading', { name: ana.name }).waitFor();
  await picture(page, 'invited');
}

async function accept(page) {
  step = 'the mailed link opens a page that keeps its secret out of the address bar';
  const link = await linkTo(mailDir, ana.email, '/accept-invitation');
  await page.goto(baseUrl + link);
  await heading(page, 'Activar su cuenta');
  assert.ok(!page.url().includes('token'), page.url());
  const secret = link.split('token=')[1];
  assert.ok(!(await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, history.state]))).includes(secret));

  step = 'a poor password is refused at its field';
  await page.getByLabel('Contraseña', { exact: true }).fill('gad2026');
  await page.getByRole('button', { name: 'Activar la cuenta' }).click();
  await page.locator('.field-wrong').waitFor();
  await picture(page, 'poor-password');

  step = 'a good one is taken';
  await page.getByLabel('Contraseña', { exact: true }).fill(ana.password);
  await page.getByRole('button', { name: 'Activar la cuenta' }).click();
  await page.getByText('Su cuenta está activa', { exact: false }).waitFor();
  await picture(page, 'accepted');

  step = 'the link works once';
  await page.goto(baseUrl + link);
  await page.getByLabel('Contraseña', { exact: true }).fill(ana.password);
  await page.getByRole('button', { name: 'Activar la cuenta' }).click();
  await page.getByRole('alert').waitFor();
  await page.getByRole('link', { name: 'Ir a iniciar sesión' }).click();
}

async function profile(page) {
  step = 'a person changes their own data';
  await page.goto(`${baseUrl}/account`);
  await page.getByLabel('Teléfono').fill('+593 99 123 4567');
  await page.getByRole('button', { name: 'Guardar' }).click();
  await page.getByText('Guardado', { exact: true }).waitFor();
  await page.reload();
  assert.equal(await page.getByLabel('Teléfono').inputValue(), '+593 99 123 4567');
}

async function enrol(page) {
  step = 'the second factor is switched on with what an app reads off the screen';
  await page.goto(`${baseUrl}/account/factor`);
  await page.getByRole('button', { name: 'Activar el segundo factor' }).click();
  const drawing = page.getByRole('img', { name: /Código QR/ });
  await drawing.waitFor();
  await picture(page, 'enrol');
  const secret = new URL(await scan(drawing)).searchParams.get('secret');
  assert.equal((await page.locator('.secret').innerText()).replaceAll(' ', ''), secret);
  await page.getByLabel(/Código de seis cifras/).fill('000000');
  await page.getByRole('button', { name: 'Activar', exact: true }).click();
  await page.locator('.enrol [role=alert]').first().waitFor();
  await page.getByLabel(/Código de seis cifras/).fill(code(secret));
  await page.getByRole('button', { name: 'Activar', exact: true }).click();

  step = 'recovery codes are shown this once, and kept as a file';
  await page.locator('.codes li').first().waitFor();
  const codes = await page.locator('.codes li').allInnerTexts();
  assert.equal(codes.length, 10);
  await picture(page, 'recovery-codes');
  const file = await download(page, () => page.getByRole('button', { name: 'Descargar' }).click());
  for (const each of codes) assert.ok(file.includes(each));
  await page.getByRole('button', { name: 'Ya los guardé' }).click();
  await page.getByText('Activado').waitFor();
  return { secret, codes };
}

async function revokeTheOther(desk, codes) {
  step = 'a recovery code opens a second device';
  const phone = await person('phone', PHONE);
  await phone.goto(baseUrl);
  await fits(phone);
  await picture(phone, 'phone-sign-in');
  await signIn(phone, ana);
  await phone.getByLabel('Código de verificación').fill(codes[0].toLowerCase());
  await phone.getByRole('button', { name: 'Entrar' }).click();
  await live(phone);

  step = 'both sessions show, and the other is thrown out';
  await desk.goto(`${baseUrl}/account/sessions`);
  await desk.getByText('Este equipo').waitFor();
  assert.equal(await desk.locator('tbody tr').count(), 2);
  await picture(desk, 'sessions');
  await desk.getByRole('button', { name: /Cerrar la sesión de/ }).click();
  await desk.getByText('Sesión cerrada', { exact: true }).waitFor();
  await phone.getByText('La sesión fue cerrada', { exact: false }).waitFor();
  await picture(phone, 'phone-thrown-out');
  await desk.locator('tbody tr').nth(1).waitFor({ state: 'detached' });
  return phone;
}

async function twoWindows(desk) {
  step = 'a session goes on over hours, in all windows of the browser, without asking again';
  const window = await desk.context().newPage();
  await window.goto(`${baseUrl}/account/sessions`);
  await window.getByText('Este equipo').waitFor();
  await later(31 * 60);
  await Promise.all(
    [desk, window].map(async (page) => {
      await page.goto(`${baseUrl}/account/sessions`);
      await page.getByText('Este equipo').waitFor();
    }),
  );
  await later(31 * 60);
  await Promise.all([desk, window].map((page) => page.getByRole('link', { name: 'Perfil' }).click()));
  await Promise.all([desk, window].map((page) => page.getByText('Último ingreso').waitFor()));
  assert.equal(await desk.evaluate(() => localStorage.getItem('gad.session')), null);
  await window.close();
}

async function prove(page, secret) {
  step = 'what is dangerous asks for proof, and then is done';
  await page.goto(`${baseUrl}/account/tokens`);
  await page.getByRole('button', { name: 'Crear un token' }).click();
  await page.getByLabel('Para qué es').fill('Panel de la sala');
  await page.getByLabel('task.read', { exact: true }).check();
  await picture(page, 'token-form');
  await page.getByRole('button', { name: 'Crear', exact: true }).click();
  const dialog = page.getByRole('dialog', { name: 'Confirme que es usted' });
  await dialog.waitFor();
  await picture(page, 'proof');
  await dialog.getByLabel('Código de verificación').fill('000000');
  await dialog.getByRole('button', { name: 'Confirmar' }).click();
  await dialog.getByRole('alert').waitFor();
  await dialog.getByLabel('Código de verificación').fill(code(secret));
  await dialog.getByRole('button', { name: 'Confirmar' }).click();
  const token = await page.locator('.secret').innerText();
  await picture(page, 'token-made');

  step = 'the token works until it is revoked';
  assert.equal(await status('/v1/tasks', token), 200);
  await page.getByRole('button', { name: 'Ya lo guardé' }).click();
  assert.ok(!(await page.content()).includes(token));
  await page.getByRole('button', { name: 'Revocar «Panel de la sala»' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Revocar', exact: true }).click();
  await page.getByText('No tiene tokens.').waitFor();
  assert.equal(await status('/v1/tasks', token), 401);
}

async function consents(page) {
  step = 'a consent is given and withdrawn';
  await page.goto(`${baseUrl}/account/privacy`);
  const location = page.locator('[data-purpose="2"]');
  await location.getByRole('button', { name: 'Acepto', exact: true }).click();
  await location.getByText('Aceptado', { exact: true }).waitFor();
  await picture(page, 'consents');
  await location.getByRole('button', { name: 'No acepto' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'No acepto' }).click();
  await location.getByText('No aceptado').waitFor();
}

async function exportData(page) {
  step = 'all that is kept of a person comes as a file, to its last line';
  const file = await download(page, () => page.getByRole('button', { name: 'Descargar mis datos' }).click());
  const lines = file.trim().split('\n').map((line) => JSON.parse(line));
  assert.equal(lines[0].schema, 'gad.export.v1');
  assert.equal(lines.at(-1).schema, 'gad.export.v1/end');
  assert.ok(file.includes(ana.email) && file.includes('+593 99 123 4567'));
}

async function changePassword(page) {
  step = 'the password changes, and the session goes on';
  await page.goto(`${baseUrl}/account/password`);
  await page.getByLabel('Contraseña actual').fill('no es esta');
  await page.getByLabel('Contraseña nueva').fill('otra frase bien larga');
  await page.getByRole('button', { name: 'Cambiar la contraseña' }).click();
  await page.getByRole('alert').first().waitFor();
  await picture(page, 'wrong-password');
  await page.getByLabel('Contraseña actual').fill(ana.password);
  await page.getByRole('button', { name: 'Cambiar la contraseña' }).click();
  await page.getByText('Contraseña cambiada', { exact: false }).waitFor();
  ana.password = 'otra frase bien larga';
  await page.goto(`${baseUrl}/account/sessions`);
  await page.getByText('Este equipo').waitFor();
}

async function erase(chief, desk) {
  step = 'an administrator finds the person, and erases them with their address typed';
  await chief.goto(`${baseUrl}/admin/users`);
  // Rows move when the others go: a click in the midst of that meets nobody.
  const other = chief.getByRole('link', { name: 'Sala de control' });
  await other.waitFor();
  await chief.getByLabel('Buscar').fill('torr');
  await other.waitFor({ state: 'detached' });
  await chief.getByRole('link', { name: ana.name }).click();
  await chief.getByRole('heading', { name: ana.name }).waitFor();
  await picture(chief, 'user');
  await chief.getByRole('button', { name: 'Borrar sus datos para siempre' }).click();
  const dialog = chief.getByRole('dialog', { name: /Borrar sus datos para siempre/ });
  await dialog.getByLabel('Motivo').fill('Lo pidió por escrito');
  await dialog.getByRole('button', { name: 'Borrar sus datos para siempre' }).click();
  await dialog.locator('.field-wrong').waitFor();
  await picture(chief, 'erase');
  await dialog.getByLabel(/para confirmar/).fill(ana.email);
  await dialog.getByRole('button', { name: 'Borrar sus datos para siempre' }).click();
  const proof = chief.getByRole('dialog', { name: 'Confirme que es usted' });
  await proof.getByLabel('Contraseña', { exact: true }).fill(administrator.password);
  await proof.getByRole('button', { name: 'Confirmar' }).click();
  await chief.getByText(/Borrada: ahora es/).waitFor();
  await picture(chief, 'erased');

  step = 'who is erased is thrown out and cannot sign in';
  await desk.getByText('La sesión fue cerrada', { exact: false }).waitFor();
  await signIn(desk, ana);
  await desk.getByRole('alert').waitFor();
  await chief.waitForFunction((address) => !document.querySelector('main').innerText.includes(address), ana.email);
}

async function auditTrail(chief) {
  step = 'the audit tells who did it and what changed, and comes as a file';
  await chief.getByRole('link', { name: 'Ver en la auditoría' }).click();
  const row = chief.locator('tr', { hasText: 'PrivacyService/ErasePerson' }).first();
  await row.waitFor();
  await row.locator('summary').click();
  await row.getByText('Lo pidió por escrito').waitFor();
  await picture(chief, 'audit');
  const file = await download(chief, () => chief.getByRole('button', { name: 'Descargar CSV' }).click());
  assert.ok(file.includes('PrivacyService/ErasePerson'));

  step = 'what is over is counted without being forgotten';
  await chief.goto(`${baseUrl}/admin/retention`);
  await chief.getByRole('button', { name: 'Contar lo que vence ahora' }).click();
  await chief.getByText('Por olvidar', { exact: true }).first().waitFor();
}

async function forgotten() {
  step = 'a forgotten password is set anew by mail';
  const page = await person('agent');
  const agent = { email: 'agente@gad.example', password: 'frase nueva del agente' };
  await page.goto(baseUrl);
  await page.getByRole('link', { name: '¿Olvidó su contraseña?' }).click();
  await page.getByLabel('Correo electrónico').fill(agent.email);
  await page.getByRole('button', { name: 'Enviar el enlace' }).click();
  await page.getByText('el enlace está en camino', { exact: false }).waitFor();
  await picture(page, 'forgot');
  await page.goto(baseUrl + (await linkTo(mailDir, agent.email, '/reset-password')));
  await heading(page, 'Elegir otra contraseña');
  assert.ok(!page.url().includes('token'), page.url());
  await page.getByLabel('Contraseña nueva').fill(agent.password);
  await page.getByRole('button', { name: 'Guardar la contraseña' }).click();
  await page.getByText('La contraseña quedó guardada', { exact: false }).waitFor();
  await page.getByRole('link', { name: 'Ir a iniciar sesión' }).click();
  await signIn(page, agent);
  await live(page);
}

async function registered() {
  step = 'where it is open, a person makes an account and proves the address';
  const page = await person('newcomer', PHONE);
  const email = 'luis.paz@gad.example';
  await page.goto(baseUrl);
  await page.getByRole('link', { name: 'Crear una cuenta' }).click();
  await page.getByLabel('Nombres').fill('Luis');
  await page.getByLabel('Apellidos').fill('Paz');
  await page.getByLabel('Correo electrónico').fill(email);
  await page.getByLabel('Contraseña', { exact: true }).fill('una frase de Luis');
  await fits(page);
  await picture(page, 'phone-register');
  await page.getByRole('button', { name: 'Crear la cuenta' }).click();
  await page.getByText('La cuenta está creada', { exact: false }).waitFor();
  await page.getByRole('link', { name: 'Ir a iniciar sesión' }).click();
  await signIn(page, { email, password: 'una frase de Luis' });
  await page.getByRole('button', { name: 'Enviar de nuevo el correo' }).waitFor();
  await picture(page, 'phone-not-verified');
  await page.goto(baseUrl + (await linkTo(mailDir, email, '/verify-email')));
  await page.getByRole('button', { name: 'Confirmar mi correo' }).click();
  await page.getByText('Su correo está confirmado', { exact: false }).waitFor();
  await page.getByRole('link', { name: 'Ir a iniciar sesión' }).click();
  await signIn(page, { email, password: 'una frase de Luis' });
  await live(page);
}

async function everyPage(page, names, base) {
  for (const name of names) {
    step = `the page ${base}/${name} shows`;
    await page.goto(`${baseUrl}/${base}/${name}`);
    await settled(page);
    await picture(page, `${base}-${name}`);
  }
}

async function phoneTour(chief, phone) {
  step = 'a phone shows every page without looking to the side';
  await phone.goto(`${baseUrl}/admin/users`);
  await signIn(phone, administrator);
  await live(phone);
  for (const path of [...ADMIN_PAGES.map((name) => `admin/${name}`), ...ACCOUNT_PAGES.map((name) => `account/${name}`), 'admin/users/new']) {
    step = `a phone shows ${path}`;
    await phone.goto(`${baseUrl}/${path}`);
    await settled(phone);
    await fits(phone);
    await picture(phone, `phone-${path.replaceAll('/', '-')}`);
  }
  await phone.goto(`${baseUrl}/forgot-password`);
  await heading(phone, 'Recuperar la contraseña');
  await fits(phone);
  await picture(phone, 'phone-forgot');
  await chief.bringToFront();
}

/** Everything that was asked for is there. */
async function settled(page) {
  await page.locator('.sheet-part, .drawer').first().waitFor();
  await page.locator('.loading, .page-loading').first().waitFor({ state: 'detached' });
  assert.equal(await page.locator('.notice-error').count(), 0);
}

async function signIn(page, { email, password }) {
  await page.getByLabel('Correo o usuario').fill(email);
  await page.getByLabel('Contraseña', { exact: true }).fill(password);
  await page.getByRole('button', { name: 'Entrar' }).click();
}

async function download(page, start) {
  const [file] = await Promise.all([page.waitForEvent('download'), start()]);
  return readFileSync(await file.path(), 'utf8');
}

async function status(path, token) {
  const answer = await fetch(baseUrl + path, { headers: { authorization: `Bearer ${token}` } });
  await answer.arrayBuffer();
  return answer.status;
}

/** Moves the server's clock. */
async function later(seconds) {
  console.log(`later ${seconds}`);
  await answers.next();
  ahead += seconds * 1000;
}

/** What the app shows now, or some steps later. */
function code(secret, steps = 0) {
  return totp(secret, Date.now() + ahead + steps * STEP_MILLIS);
}

function heading(page, name) {
  return page.getByRole('heading', { name }).waitFor();
}

function live(page) {
  return page.locator('[data-phase="live"]').waitFor();
}
