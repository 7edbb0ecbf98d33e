import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { cruise } from 'dependency-cruiser';
import configuration from '../../.dependency-cruiser.mjs';
import { listModules } from './files.mjs';
import { sourceFolders } from './layers/paths.mjs';
import { layerRules } from './layers.mjs';

/**
 * Cruises `folders` (all source folders unless told otherwise) of the tree at `base` against the layer rules.
 *
 * Answers `violations` (rule, from, to, cycle where there is one), `cruised` (modules of ours that were read) and `missed`
 * (modules on disk that were not): dependency-cruiser passes silently on files that it cannot parse, so a caller must treat
 * any missed module as a failure. Throws where the configuration itself is wrong.
 */
export async function cruiseTree(base, folders = sourceFolders) {
  const present = folders.filter((folder) => existsSync(join(base, folder)));
  // Listed first: a file that appears meanwhile is a matter of the next check.
  const modules = listModules(base);
  const { options, ...ruleSet } = configuration;
  const { output } = await cruise(
    present,
    { ...options, ruleSet, validate: true, baseDir: base },
    options.enhancedResolveOptions,
  );
  const read = new Set(output.modules.map((module) => module.source));
  return {
    violations: output.summary.violations.map((found) => ({
      rule: found.rule.name,
      from: found.from,
      to: found.to,
      cycle: found.cycle?.map((step) => step.name) ?? [],
    })),
    cruised: modules.filter((path) => read.has(path)).length,
    missed: modules.filter((path) => !read.has(path)),
  };
}

/** One violation as two lines: where, and what to do instead. */
export function describeViolation({ rule, from, to, cycle }) {
  const known = layerRules.find(({ id }) => id === rule);
  const trail = cycle.length > 0 ? [from, ...cycle] : [from, to];
  const where = [...new Set(trail)].join(' -> ');
  return `${rule}  ${where}\n    ${known?.title ?? ''}. ${known?.reason ?? ''}\n    Instead: ${known?.instead ?? ''}`;
}

async function main() {
  const { violations, cruised, missed } = await cruiseTree(process.cwd());
  for (const violation of violations) console.log(describeViolation(violation));
  for (const path of missed)
    console.log(`HOC-CRUISE  ${path} was not read by dependency-cruiser, so no rule was checked on it`);
  console.log(`${cruised} modules cruised, ${layerRules.length} rules, ${violations.length} violations`);
  process.exitCode = violations.length > 0 || missed.length > 0 || cruised === 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
