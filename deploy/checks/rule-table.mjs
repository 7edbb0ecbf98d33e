import { pathToFileURL } from 'node:url';
import { layerRules } from './layers.mjs';
import { sourceRules } from './source/rules.mjs';

/**
 * The rules as the table that ARCHITECTURE.md holds. Run this file to print it; a test compares the two.
 */
export function ruleTable() {
  const rules = [...layerRules, ...sourceRules.map((rule) => ({ row: 'Single files', ...rule }))];
  const lines = rules.map(({ id, row, title, reason }) => `| ${id} | ${row} | ${title} | ${reason} |`);
  return ['| id | row | what holds | why |', '| --- | --- | --- | --- |', ...lines].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) console.log(ruleTable());
