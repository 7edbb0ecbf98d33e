import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { listFiles, listSources } from './files.mjs';
import { sourceRules } from './source/rules.mjs';
import { parse } from './source/tree.mjs';

/**
 * Applies the rules over single files to the tree at `base`: its source folders and `deploy`.
 * Answers one entry a violation: rule, path, line and what is wrong. Throws where a file cannot be read.
 */
export function checkSources(base) {
  const scripts = listFiles(base, 'deploy').filter((path) => !path.startsWith('deploy/checks/planted/'));
  return [...listSources(base), ...scripts].flatMap((path) => {
    const rules = sourceRules.filter((rule) => rule.applies(path));
    if (rules.length === 0) return [];
    const file = parse(path, /\.(tsx?|mjs)$/.test(path) ? readFileSync(join(base, path), 'utf8') : '');
    return rules.flatMap((rule) => rule.find(file).map(({ line, what }) => ({ rule, path, line, what })));
  });
}

function main() {
  const violations = checkSources(process.cwd());
  for (const { rule, path, line, what } of violations) {
    console.log(`${rule.id}  ${path}:${line} ${what}\n    ${rule.title}. ${rule.reason}\n    Instead: ${rule.instead}`);
  }
  console.log(`${sourceRules.length} rules over single files, ${violations.length} violations`);
  process.exitCode = violations.length > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) main();
