// Bundles the page: src/main.ts and src/styles/page.css become dist/page.js and dist/page.css, which Rust embeds. They are checked in, so
// that cargo needs no Node. With --check nothing is written: it fails where they are not what the sources give.

import { build } from 'esbuild';
import { readFile, mkdir, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

const here = (path) => fileURLToPath(new URL(path, import.meta.url));
const licence = await readFile(here('node_modules/preact/LICENSE'), 'utf8');
const { outputFiles } = await build({
  absWorkingDir: here('.'),
  entryPoints: { page: 'src/main.ts', style: 'src/styles/page.css' },
  outdir: 'dist',
  bundle: true,
  minify: true,
  format: 'iife',
  target: ['chrome111', 'firefox113', 'safari16.4'],
  charset: 'utf8',
  legalComments: 'none',
  banner: { js: `/*! This file contains Preact.\n${licence.trim()}\n*/` },
  write: false,
});
const names = { 'page.js': 'dist/page.js', 'style.css': 'dist/page.css' };
let stale = false;
for (const { path, text } of outputFiles) {
  const name = names[path.split(/[\\/]/).at(-1)];
  if (process.argv.includes('--check')) {
    const found = await readFile(here(name), 'utf8').catch(() => '');
    if (found !== text) {
      console.error(`dashboard/ui/${name} is not what the sources give: npm run --prefix dashboard/ui build`);
      stale = true;
    }
  } else {
    await mkdir(here('dist'), { recursive: true });
    await writeFile(here(name), text);
  }
}
if (stale) process.exit(1);
