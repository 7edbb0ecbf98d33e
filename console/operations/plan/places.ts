import type { Owner } from '../../../storage/schema/control.ts';
import type { Finding } from '../../../storage/schema/errors.ts';
import { type ConfigurationSource, type FieldPath, renderPath } from '../configuration/source.ts';
import type { ControlContext } from '../context.ts';
import type { ControlTransaction } from '../ports.ts';

/** Who plans: the file as an owner, and how it reports what stands in its way. */
export interface Planner {
  /** The transaction in which the plan is made, and carried out. */
  tx: ControlTransaction;
  context: ControlContext;
  owner: Owner;
  /** Take over what others own. */
  adopt: boolean;
  source: ConfigurationSource;
  findings: Finding[];
}

/** Adds a finding at a place of the file. */
export function reportAt(planner: Planner, path: FieldPath, message: string): void {
  const { source } = planner;
  planner.findings.push({ file: source.file, line: source.lineOf(path), field: renderPath(path), message });
}

/**
 * Whether this file may change an object that `owner` keeps; where not, the conflict is a finding. An object belongs to
 * one owner, so that two files, or a file and a person, never undo each other's changes in turn.
 */
export function mayChange(planner: Planner, path: FieldPath, { owner, what }: { owner: Owner; what: string }): boolean {
  if (owner === planner.owner || planner.adopt) return true;
  const keeper = owner === 'api' ? 'the API' : `the file ${owner.replace(/^file:/, '')}`;
  reportAt(
    planner,
    path,
    `${what} is owned by ${keeper}; apply with \`adopt\` to take it over, or name it differently`,
  );
  return false;
}
