// Mail that the server wrote into a folder.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PATIENCE } from './browser.mjs';

/** The path with query of the link in the newest mail to this address that leads to this page. A file may be seen half written. */
export async function linkTo(folder, address, page) {
  const last = Date.now() + PATIENCE;
  for (;;) {
    const links = letters(folder)
      .filter((letter) => letter.toLowerCase().includes(`to: ${address}`) || letter.includes(address))
      .map((letter) => body(letter).match(new RegExp(`https?://[^/\\s]+(${page}\\?token=[A-Za-z0-9_-]+)\\s`))?.[1])
      .filter(Boolean);
    if (links.length > 0) return links.at(-1);
    if (Date.now() > last) throw new Error(`no mail to ${address} with a link to ${page}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function letters(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.eml'))
    .map((name) => join(folder, name))
    .map((path) => readFileSync(path, 'utf8'))
    .sort((a, b) => time(a) - time(b));
}

function time(letter) {
  return Date.parse(letter.match(/^Date: (.*)$/im)?.[1] ?? '') || 0;
}

function body(letter) {
  const [head, ...rest] = letter.split(/\r?\n\r?\n/);
  const text = rest.join('\n\n');
  if (/content-transfer-encoding: base64/i.test(head)) return Buffer.from(text, 'base64').toString('utf8');
  if (!/content-transfer-encoding: quoted-printable/i.test(head)) return text;
  const bytes = text.replace(/=\r?\n/g, '').replace(/=([0-9A-F]{2})/gi, (_, code) => String.fromCharCode(parseInt(code, 16)));
  return Buffer.from(bytes, 'latin1').toString('utf8');
}
