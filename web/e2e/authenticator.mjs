// What an authenticator app on a telephone does.
import { createHmac } from 'node:crypto';
import decodeQR from 'qr/decode.js';

const PERIOD_SECONDS = 30;

/** Reads the code that is drawn on the screen: the squares of its path, each a few points wide, as a camera sees them. */
export async function scan(drawing) {
  const size = Number((await drawing.getAttribute('viewBox')).split(' ')[2]);
  const path = await drawing.locator('path').getAttribute('d');
  const scale = 4;
  const side = size * scale;
  const data = new Uint8ClampedArray(side * side * 4).fill(255);
  for (const [, x, y] of path.matchAll(/M(\d+) (\d+)h1v1h-1z/g)) {
    for (let row = 0; row < scale; row += 1) {
      const from = ((Number(y) * scale + row) * side + Number(x) * scale) * 4;
      for (let point = from; point < from + scale * 4; point += 4) data.fill(0, point, point + 3);
    }
  }
  return decodeQR({ width: side, height: side, data });
}

/** The code of a time step (RFC 6238). */
export function totp(secret, millis) {
  const counter = Buffer.alloc(8);
  counter.writeBigUInt64BE(BigInt(Math.floor(millis / 1000 / PERIOD_SECONDS)));
  const mac = createHmac('sha1', base32(secret)).update(counter).digest();
  const at = mac[mac.length - 1] & 15;
  return String((mac.readUInt32BE(at) & 0x7fffffff) % 1_000_000).padStart(6, '0');
}

export const STEP_MILLIS = PERIOD_SECONDS * 1000;

function base32(text) {
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567';
  const bits = [...text.replace(/[^A-Z2-7]/g, '')].map((letter) => letters.indexOf(letter).toString(2).padStart(5, '0')).join('');
  return Buffer.from(bits.match(/.{8}/g).map((byte) => parseInt(byte, 2)));
}
