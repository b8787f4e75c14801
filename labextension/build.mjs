// Build the extension into the package: npm run build.
//
// JupyterLab lends an extension the libraries that core-meta lists. The versions that are asked of it are those of
// package.json, the oldest JupyterLab that this extension runs in, and not those of core-meta's own JupyterLab.
//
// What is built is committed, with a digest of the sources beside it: see docs/decisions/built-extension-committed.md.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const HERE = dirname(fileURLToPath(import.meta.url));
const BUILT = join(HERE, '..', 'jupyter_complete', 'labextension');
const SINGLE = ['build.mjs', 'install.json', 'package-lock.json', 'package.json', 'tsconfig.json'];
const FOLDERS = ['schema', 'src', 'style'];

/** The files that the bundle is made of, in order, as tests/test_labextension.py reads them too. */
function sources() {
  const inside = FOLDERS.flatMap(folder => readdirSync(join(HERE, folder)).map(name => `${folder}/${name}`));
  return [...SINGLE, ...inside].sort();
}

function digest() {
  const hash = createHash('sha256');
  for (const name of sources()) {
    hash.update(`${name}\n`);
    hash.update(readFileSync(join(HERE, name)));
  }
  return hash.digest('hex');
}

const require = createRequire(import.meta.url);

/** A folder with the package.json of JupyterLab's core, in which our versions stand. */
function core() {
  const made = JSON.parse(readFileSync(require.resolve('@jupyterlab/core-meta/core.package.json'), 'utf8'));
  const { dependencies: own } = JSON.parse(readFileSync(join(HERE, 'package.json'), 'utf8'));
  for (const listed of [made.dependencies, made.resolutions ?? {}]) {
    for (const name of Object.keys(listed).filter(one => one in own)) {
      listed[name] = own[name];
    }
  }
  const folder = join(HERE, 'lib', 'core');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(made));
  return folder;
}

const run = (script, ...words) => execFileSync(process.execPath, [script, ...words], { cwd: HERE, stdio: 'inherit' });

for (const folder of [BUILT, join(HERE, 'lib')]) {
  rmSync(folder, { recursive: true, force: true });
}
run(require.resolve('typescript/bin/tsc'));
run(require.resolve('@jupyterlab/builder/lib/build-labextension.js'), '--core-path', core(), HERE);
rmSync(join(BUILT, 'build_log.json'), { force: true });
copyFileSync(join(HERE, 'install.json'), join(BUILT, 'install.json'));
writeFileSync(join(BUILT, 'sources.sha256'), `${digest()}\n`);
