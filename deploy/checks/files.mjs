import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { sourceFolders } from './layers/paths.mjs';

const skipped = new Set(['node_modules', 'dist', 'results']);

/** Every file below `folder`, as a path relative to `base` with forward slashes, sorted; a missing folder has none. */
export function listFiles(base, folder) {
  const start = join(base, folder);
  if (!existsSync(start)) return [];
  return readdirSync(start, { withFileTypes: true })
    .filter((entry) => !skipped.has(entry.name))
    .flatMap((entry) => {
      const path = `${folder}/${entry.name}`;
      return entry.isDirectory() ? listFiles(base, path) : [path];
    })
    .sort();
}

/** Every file of the source folders of the tree at `base`. */
export function listSources(base) {
  return sourceFolders.flatMap((folder) => listFiles(base, folder));
}

/** The modules among them: what the compiler and the cruiser must both have read. */
export function listModules(base) {
  return listSources(base).filter((path) => /\.tsx?$/.test(path));
}
