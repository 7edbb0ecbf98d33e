import { basename } from 'node:path';
import type { ManifestRow, Principal } from '../../storage/schema/control.ts';
import { type Finding, HocError } from '../../storage/schema/errors.ts';
import type { ApplyResult, ChangeKind } from '../contract/api.ts';
import { change } from './change.ts';
import { type CheckedConfiguration, checkConfiguration } from './configuration/check.ts';
import type { Secrets } from './configuration/secrets.ts';
import type { ControlContext } from './context.ts';
import { describeAct, describeChange, type PlannedChange } from './plan/change-list.ts';
import { planConfiguration } from './plan/configuration.ts';
import type { Planner } from './plan/places.ts';
import type { ControlTransaction } from './ports.ts';
import { writeNewEpochs } from './snapshot/epochs.ts';

export interface ApplyInput {
  /** As the caller gave it; the base name owns the objects. */
  file: string;
  text: string;
  /** Values of the environment variables that the file names, read where it is applied. */
  secrets: Secrets;
  dryRun: boolean;
  adopt: boolean;
}

/**
 * Brings the state to what a configuration file says.
 *
 * The file is checked whole first: with any finding nothing changes, and the error carries all of them, each with file,
 * line, field and expectation (`configuration_invalid`, or `conflict` where other owners stand in the way). Everything is
 * one transaction: objects, an audit entry for each changed one, documents and the signed manifest. Applying the same file
 * again changes nothing and leaves no trace. A dry run goes the same way and stops before the first write.
 */
export async function applyConfiguration(
  context: ControlContext,
  principal: Principal,
  input: ApplyInput,
): Promise<ApplyResult> {
  const startedMs = context.now();
  try {
    const result = await apply(context, principal, input);
    context.metrics.applied(input.dryRun ? 'dry_run' : 'applied', context.now() - startedMs);
    return result;
  } catch (error) {
    const refused = error instanceof HocError && error.status < 500;
    context.metrics.applied(refused ? 'refused' : 'failed', context.now() - startedMs);
    throw error;
  }
}

async function apply(context: ControlContext, principal: Principal, input: ApplyInput): Promise<ApplyResult> {
  const file = basename(input.file);
  const checked = checkConfiguration({ file, text: input.text, secrets: input.secrets, secretsMustExist: true });
  if (!checked.ok) throw refuse('configuration_invalid', checked.findings);
  if (input.dryRun) {
    const planned = await context.store.transaction((tx) => plan(tx, context, { checked, input }));
    return describe(file, planned, null);
  }
  const { result, manifest } = await change(context, principal, async (tx) => {
    const planned = await plan(tx, context, { checked, input });
    const real = planned.filter((each) => each.change !== 'unchanged');
    const touched = await carryOut(tx, real);
    return { result: planned, acts: real.map(describeAct), touched };
  });
  await writeNewEpochs(context);
  return describe(file, result, manifest);
}

async function plan(
  tx: ControlTransaction,
  context: ControlContext,
  { checked, input }: { checked: Extract<CheckedConfiguration, { ok: true }>; input: ApplyInput },
): Promise<PlannedChange[]> {
  const { source, configuration } = checked;
  const planner: Planner = { tx, context, owner: `file:${source.file}`, adopt: input.adopt, source, findings: [] };
  const planned = await planConfiguration(planner, { configuration, secrets: input.secrets });
  if (planner.findings.length > 0) throw refuse('conflict', planner.findings);
  return planned;
}

async function carryOut(tx: ControlTransaction, changes: readonly PlannedChange[]): Promise<Set<string>> {
  const touched = new Set(changes.map((each) => each.tenant));
  for (const each of changes) await each.release?.(tx);
  for (const each of changes) for (const tenant of await each.write(tx)) touched.add(tenant);
  return touched;
}

function refuse(code: 'configuration_invalid' | 'conflict', findings: readonly Finding[]): HocError {
  const count = findings.length === 1 ? 'one place' : `${findings.length} places`;
  const what = code === 'conflict' ? 'conflicts with the state' : 'is wrong';
  return new HocError({ code, publicMessage: `The configuration ${what} in ${count}; nothing was changed`, findings });
}

function describe(file: string, planned: readonly PlannedChange[], manifest: ManifestRow | null): ApplyResult {
  const counts: Record<ChangeKind, number> = { created: 0, updated: 0, removed: 0, unchanged: 0 };
  for (const each of planned) counts[each.change] += 1;
  return {
    file,
    dry_run: manifest === null,
    changes: planned.map(describeChange),
    counts,
    manifest: manifest === null ? null : { id: manifest.id, sequence: manifest.sequence },
  };
}
