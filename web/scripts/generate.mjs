// Generates src/gen from ../proto with buf: $BUF, else the project's own, else the one on the PATH.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const web = dirname(dirname(fileURLToPath(import.meta.url)));
const own = join(web, '..', '.venv', 'bin', 'buf');
const buf = process.env.BUF || (existsSync(own) ? own : 'buf');

const { error, status } = spawnSync(buf, ['generate', '--template', 'buf.gen.yaml'], { cwd: web, stdio: 'inherit' });
if (error) {
  console.error(`cannot run ${buf}: ${error.message}\nInstall it (pip install buf-bin) or set BUF to its path.`);
}
process.exit(error ? 1 : (status ?? 1));
