import { canonicalJson } from '../../../policy/evidence/index.ts';
import type { Approvals, PolicyRow, PolicyState } from '../../../storage/schema/control.ts';
import type { PolicyEntry } from '../../../storage/schema/snapshot.ts';
import type { PolicyConfiguration } from '../../contract/configuration.ts';
import { readPolicyEntry } from '../configuration/entries.ts';
import type { FieldPath } from '../configuration/source.ts';
import { nothing, type PlannedChange } from './change-list.ts';
import { mayChange, type Planner } from './places.ts';

/** Versions of one policy that are not retired. */
interface Standing {
  /** Active or suspended. */
  current: PolicyRow | null;
  pending: PolicyRow | null;
}

const waitsNote = 'waits for approval by a second person; until then nothing changes on the proxies';

/** What a version says, apart from its number: equal texts are equal policies. */
function define(entry: PolicyEntry): string {
  const { version: _version, ...definition } = entry;
  return canonicalJson(definition);
}

function showPolicy(row: PolicyRow): unknown {
  const { definition, state, version, owner } = row;
  return { ...(JSON.parse(definition) as object), state, version, owner };
}

function groupVersions(rows: readonly PolicyRow[]): Map<string, Standing> {
  const standing = new Map<string, Standing>();
  for (const row of rows) {
    const versions = standing.get(row.id) ?? { current: null, pending: null };
    if (row.state === 'active' || row.state === 'suspended') versions.current = row;
    if (row.state === 'pending_approval') versions.pending = row;
    standing.set(row.id, versions);
  }
  return standing;
}

/**
 * Plans the policies of one tenant. A changed policy is a new version, the one before is retired; where the tenant asks for
 * two persons, the new version waits and the one in force stays.
 */
export function planPolicies(
  planner: Planner,
  tenant: { slug: string; path: FieldPath; wanted: readonly PolicyConfiguration[]; approvals: Approvals },
  stored: { live: readonly PolicyRow[]; versions: ReadonlyMap<string, number> },
): PlannedChange[] {
  const standing = groupVersions(stored.live);
  const changes: PlannedChange[] = [];
  tenant.wanted.forEach((wanted, index) => {
    const before = standing.get(wanted.id) ?? { current: null, pending: null };
    standing.delete(wanted.id);
    const owner = (before.current ?? before.pending)?.owner;
    const path = [...tenant.path, 'policies', index, 'id'];
    if (owner !== undefined && !mayChange(planner, path, { owner: owner, what: `Policy \`${wanted.id}\`` })) return;
    const version = (stored.versions.get(wanted.id) ?? 0) + 1;
    const row: PolicyRow = {
      tenant: tenant.slug,
      id: wanted.id,
      version,
      owner: planner.owner,
      definition: define(readPolicyEntry(wanted, version)),
      created_at_ms: planner.context.now(),
      state: chooseState(tenant.approvals, before.current),
    };
    changes.push(planPolicy(before, row));
  });
  for (const { current, pending } of standing.values()) {
    const rows = [current, pending].filter((row) => row !== null);
    const [first] = rows;
    if (first !== undefined && first.owner === planner.owner) changes.push(planRetirement(first, rows));
  }
  return changes;
}

/** A suspended policy stays suspended in its next version: only a person lifts that. */
function chooseState(approvals: Approvals, current: PolicyRow | null): PolicyState {
  if (approvals === 'two-person') return 'pending_approval';
  return current?.state === 'suspended' ? 'suspended' : 'active';
}

function planPolicy(before: Standing, row: PolicyRow): PlannedChange {
  const { current, pending } = before;
  const isSame = (version: PolicyRow | null): version is PolicyRow =>
    version !== null && version.definition === row.definition && version.owner === row.owner;
  if (isSame(current)) return pending === null ? planSame(current, null) : planWithdrawal(current, pending);
  if (!isSame(pending)) return planVersion(before, row);
  return row.state === 'pending_approval' ? planSame(pending, waitsNote) : planActivation(current, pending, row.state);
}

function head(row: PolicyRow): Pick<PlannedChange, 'objectType' | 'tenant' | 'object' | 'objectId'> {
  return { objectType: 'policy', tenant: row.tenant, object: row.id, objectId: row.id };
}

function planSame(row: PolicyRow, note: string | null): PlannedChange {
  const shown = showPolicy(row);
  return { ...head(row), change: 'unchanged', act: 'policy.update', before: shown, after: shown, note, write: nothing };
}

function planVersion({ current, pending }: Standing, row: PolicyRow): PlannedChange {
  const shown = current ?? pending;
  const waits = row.state === 'pending_approval';
  const replaced = (waits ? [pending] : [current, pending]).filter((version) => version !== null);
  return {
    ...head(row),
    change: shown === null ? 'created' : 'updated',
    act: shown === null ? 'policy.create' : 'policy.update',
    before: shown === null ? null : showPolicy(shown),
    after: showPolicy(row),
    note: waits ? waitsNote : `version ${row.version}`,
    write: async (tx) => {
      for (const old of replaced) await tx.updatePolicyState(old, 'retired');
      await tx.insertPolicy(row);
      return [];
    },
  };
}

/** The tenant no longer asks for a second person: the version that waited takes force. */
function planActivation(current: PolicyRow | null, pending: PolicyRow, state: PolicyState): PlannedChange {
  return {
    ...head(pending),
    change: 'updated',
    act: 'policy.activate',
    before: showPolicy(pending),
    after: showPolicy({ ...pending, state }),
    note: `version ${pending.version}`,
    write: async (tx) => {
      if (current !== null) await tx.updatePolicyState(current, 'retired');
      await tx.updatePolicyState(pending, state);
      return [];
    },
  };
}

/** The file says again what is in force: the version that waited is not wanted any more. */
function planWithdrawal(current: PolicyRow, pending: PolicyRow): PlannedChange {
  const note = 'the version that waited is withdrawn';
  return { ...planRetirement(pending, [pending]), ...head(current), change: 'updated', note };
}

function planRetirement(first: PolicyRow, rows: readonly PolicyRow[]): PlannedChange {
  return {
    ...head(first),
    change: 'removed',
    act: 'policy.retire',
    before: showPolicy(first),
    after: showPolicy({ ...first, state: 'retired' }),
    note: 'retired: its versions are kept',
    write: async (tx) => {
      for (const version of rows) await tx.updatePolicyState(version, 'retired');
      return [];
    },
  };
}
