import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The checkout's folder. */
export const root = fileURLToPath(new URL('../../', import.meta.url)).replace(/\/$/, '');

/** Folders whose TypeScript becomes `dist/`; the same list as `include` in tsconfig.json. */
export const sourceFolders = ['proxy', 'policy', 'storage', 'console', 'cli', 'bench', 'test'];

/** Folders below a source folder that are not part of the build: the web console builds itself with vite. */
const skipped = new Set(['node_modules', 'dist', '.git']);
const skippedPaths = new Set(['console/web']);

/** Every file below the source folders (or the given ones), as sorted paths relative to the checkout. */
export function listSources(folders = sourceFolders) {
  const files = [];
  const walk = (folder) => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && !skipped.has(entry.name) && !skippedPaths.has(path)) walk(path);
      if (entry.isFile()) files.push(path);
    }
  };
  for (const folder of folders) if (existsSync(join(root, folder))) walk(folder);
  return files.sort();
}

/** SHA-256 over names and bytes of `files` (relative paths); a missing file counts as empty. */
export function hashFiles(files) {
  const hash = createHash('sha256');
  for (const file of files) {
    const path = join(root, file);
    const bytes = existsSync(path) && statSync(path).isFile() ? readFileSync(path) : Buffer.alloc(0);
    hash.update(`${file}\0${bytes.length}\0`).update(bytes);
  }
  return hash.digest('hex');
}

/** What a finished step left in `.cache/<name>`, or null when it never finished. */
export function readStamp(name) {
  const path = join(root, '.cache', name);
  return existsSync(path) ? readFileSync(path, 'utf8').trim() : null;
}

/** Remembers that a step finished for the input that `value` names. */
export function writeStamp(name, value) {
  const path = join(root, '.cache', name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${value}\n`);
}

/** Ends the set-up with a sentence on stderr and exit code 1. */
export function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}
