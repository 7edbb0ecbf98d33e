import './node-version.mjs';
import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, readdirSync, rmdirSync, rmSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { fail, hashFiles, listSources, readStamp, root, writeStamp } from './project.mjs';

const dist = join(root, 'dist');
const entry = 'cli/main.js';

/** Builds unless `dist/` already comes from exactly these sources. */
export function buildIfStale() {
  const state = hashFiles([...listSources(), 'tsconfig.json', 'package-lock.json']);
  if (existsSync(join(dist, entry)) && readStamp('built') === state) return;
  console.error('Building ...');
  build();
  writeStamp('built', state);
}

/**
 * Compiles the TypeScript sources to `dist/`, copies everything else beside them (scripts, migrations, schemas), removes
 * what no longer has a source and makes the command line executable. Ends the process when the compiler finds an error.
 */
function build() {
  // An incremental compiler writes only what changed, so without dist/ its memory has to go too.
  if (!existsSync(dist)) rmSync(join(root, '.cache/tsbuildinfo'), { force: true });
  const compiler = join(root, 'node_modules/typescript/bin/tsc');
  const done = spawnSync(process.execPath, [compiler, '-p', 'tsconfig.json'], { cwd: root, stdio: ['ignore', 2, 2] });
  if (done.status !== 0) fail('The build failed: the compiler names the places above.');
  const sources = listSources();
  const wanted = new Set();
  for (const source of sources) {
    if (/\.(ts|mts|cts|tsx)$/.test(source)) for (const made of compiledNames(source)) wanted.add(made);
    else if (isAsset(source)) wanted.add(copyAsset(source));
  }
  prune('', wanted);
  if (!existsSync(join(dist, entry))) fail(`The build made no dist/${entry}.`);
  chmodSync(join(dist, entry), 0o755);
}

function compiledNames(source) {
  const base = source.replace(/\.(c|m)?tsx?$/, '');
  const kind = /\.(c|m)ts$/.exec(source)?.[1] ?? '';
  return [`${base}.${kind}js`, `${base}.${kind}js.map`];
}

function isAsset(source) {
  return !source.endsWith('.md') && !source.endsWith('/tsconfig.json');
}

/** Copies one file to its place in dist/ when size or time differ, and answers its relative path. */
function copyAsset(source) {
  const from = join(root, source);
  const to = join(dist, source);
  const [a, b] = [statSync(from), existsSync(to) ? statSync(to) : null];
  if (b === null || a.size !== b.size || a.mtimeMs > b.mtimeMs) {
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(from, to);
  }
  return source;
}

function prune(folder, wanted) {
  const path = join(dist, folder);
  for (const item of readdirSync(path, { withFileTypes: true })) {
    const name = folder === '' ? item.name : `${folder}/${item.name}`;
    // The web console is built into dist/ by a tool of its own.
    if (name === 'console/web') continue;
    if (item.isDirectory()) prune(name, wanted);
    else if (!wanted.has(name)) rmSync(join(dist, name));
  }
  if (folder !== '' && readdirSync(path).length === 0) rmdirSync(path);
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  build();
  writeStamp('built', hashFiles([...listSources(), 'tsconfig.json', 'package-lock.json']));
}
