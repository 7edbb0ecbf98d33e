import { cpSync, mkdtempSync, readdirSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../../', import.meta.url));
const planted = fileURLToPath(new URL('./planted/', import.meta.url));

/** Ids that have a planted violation: one folder each, laid over `planted/base`, which breaks no rule. */
export function plantedIds() {
  return readdirSync(planted).filter((name) => name !== 'base');
}

/**
 * Builds the clean tree with the violations of `id` laid over it (`null`: the clean tree alone) in a temporary folder,
 * beside this project's package.json and libraries. The caller calls `remove`.
 */
export function plantTree(id) {
  const base = mkdtempSync(join(tmpdir(), 'planted-'));
  cpSync(join(planted, 'base'), base, { recursive: true });
  if (id !== null) cpSync(join(planted, id), base, { recursive: true });
  cpSync(join(project, 'package.json'), join(base, 'package.json'));
  symlinkSync(join(project, 'node_modules'), join(base, 'node_modules'));
  return { base, remove: () => rmSync(base, { recursive: true, force: true }) };
}
