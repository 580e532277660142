// Bundles the pages: node build.mjs DIRECTORY, from a copy of this directory
// that has its node_modules.

import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync,
  readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const STILL = ['index.html', 'icon.svg'];

const [directory] = process.argv.slice(2);
const pages = readdirSync('.').filter((name) =>
  existsSync(join(name, 'index.html')));

for (const page of pages) {
  const to = join(directory, page);

  rmSync(to, { recursive: true, force: true });
  mkdirSync(to, { recursive: true });

  const { metafile } = await build({
    entryPoints: ['app.js', 'app.css'].map((name) => join(page, name)),
    outdir: to,
    bundle: true,
    format: 'esm',
    minify: true,
    metafile: true,
    target: ['es2022', 'chrome94', 'firefox93', 'safari15.4'],
    logLevel: 'warning',
  });

  for (const name of STILL) {
    cpSync(join(page, name), join(to, name));
  }

  // The license of what is in the bundle stays with it.

  const packages = new Set(Object.keys(metafile.inputs)
    .map((path) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1])
    .filter(Boolean));

  for (const name of packages) {
    const text = readFileSync(join('node_modules', name, 'LICENSE'), 'utf8');
    appendFileSync(join(to, 'app.js'), `/* ${name}\n\n${text.trim()}\n*/\n`);
  }
}
