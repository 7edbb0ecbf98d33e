import { canonicalJson } from '../../../policy/evidence/index.ts';
import { checkLimits } from '../../../policy/limits/index.ts';
import type { LimitRow } from '../../../storage/schema/control.ts';
import type { LimitEntry } from '../../../storage/schema/snapshot.ts';
import type { LimitConfiguration, TenantConfiguration } from '../../contract/configuration.ts';
import { type LimitDefaults, readLimitDefaults, readLimitEntry } from '../configuration/limit-entries.ts';
import { type FieldPath, parsePath } from '../configuration/source.ts';
import { compareBytes } from '../snapshot/documents.ts';
import { nothing, type PlannedChange } from './change-list.ts';
import { reportOtherMeasure } from './limit-measure.ts';
import { mayChange, type Planner, reportAt } from './places.ts';

function showLimit(row: LimitRow): unknown {
  const { definition, state, version, owner } = row;
  return { ...(JSON.parse(definition) as object), state, version, owner };
}

/**
 * Plans the limits of one tenant. A changed limit is a new version; its counters stay, since they go by its id. `newest`
 * holds the last version of every id that the tenant ever used.
 */
export function planLimits(
  planner: Planner,
  tenant: { path: FieldPath; configuration: TenantConfiguration },
  stored: { live: readonly LimitRow[]; newest: ReadonlyMap<string, LimitRow> },
): PlannedChange[] {
  const standing = new Map(stored.live.map((row) => [row.id, row]));
  const defaults = readLimitDefaults(tenant.configuration);
  const changes: PlannedChange[] = [];
  tenant.configuration.limits?.forEach((wanted, index) => {
    const before = standing.get(wanted.id) ?? null;
    standing.delete(wanted.id);
    const path = [...tenant.path, 'limits', index];
    if (
      before !== null &&
      !mayChange(planner, [...path, 'id'], { owner: before.owner, what: `Limit \`${wanted.id}\`` })
    )
      return;
    const entry = readAtThisMoment(planner, { wanted, defaults, path }, before);
    const earlier = stored.newest.get(wanted.id);
    if (earlier !== undefined) reportOtherMeasure(planner, path, { earlier, entry });
    changes.push(
      planLimit(before, {
        tenant: tenant.configuration.slug,
        id: wanted.id,
        version: (earlier?.version ?? 0) + 1,
        owner: planner.owner,
        definition: canonicalJson(entry),
        created_at_ms: planner.context.now(),
        state: 'active',
      }),
    );
  });
  const gone = [...standing.values()].filter((row) => row.owner === planner.owner);
  return [...changes, ...gone.map(planLimitEnd)];
}

/**
 * The limit as it stands from this moment on. An override without `from` begins when it is first applied, and keeps that
 * beginning however often the file is applied again; one whose end has passed by then was never in force.
 */
function readAtThisMoment(
  planner: Planner,
  limit: { wanted: LimitConfiguration; defaults: LimitDefaults; path: FieldPath },
  before: LimitRow | null,
): LimitEntry {
  const standing = before === null ? [] : ((JSON.parse(before.definition) as LimitEntry).overrides ?? []);
  const began = new Map(standing.map((override) => [override.id, override.from_ms]));
  const now = planner.context.now();
  const entry = readLimitEntry(limit.wanted, limit.defaults, (id, untilMs) =>
    Math.min(began.get(id) ?? now, untilMs - 1),
  );
  for (const finding of checkLimits([entry], () => 'limit')) {
    const field = finding.field.replace(/^limit\./, '').replace(/_ms$/, '');
    reportAt(planner, [...limit.path, ...parsePath(field)], finding.message);
  }
  const { overrides } = entry;
  if (overrides === undefined) return entry;
  return { ...entry, overrides: overrides.toSorted((a, b) => compareBytes(a.id, b.id)) };
}

function planLimit(before: LimitRow | null, after: LimitRow): PlannedChange {
  const isSame = before !== null && before.definition === after.definition && before.owner === after.owner;
  const head = { objectType: 'limit', tenant: after.tenant, object: after.id, objectId: after.id } as const;
  if (isSame) {
    const shown = showLimit(before);
    return {
      ...head,
      change: 'unchanged',
      act: 'limit.update',
      before: shown,
      after: shown,
      note: null,
      write: nothing,
    };
  }
  return {
    ...head,
    change: before === null ? 'created' : 'updated',
    act: before === null ? 'limit.create' : 'limit.update',
    before: before === null ? null : showLimit(before),
    after: showLimit(after),
    note: `version ${after.version}`,
    write: async (tx) => {
      if (before !== null) await tx.updateLimitState(before, 'retired');
      await tx.insertLimit(after);
      return [];
    },
  };
}

function planLimitEnd(row: LimitRow): PlannedChange {
  return {
    change: 'removed',
    objectType: 'limit',
    tenant: row.tenant,
    object: row.id,
    objectId: row.id,
    act: 'limit.retire',
    before: showLimit(row),
    after: showLimit({ ...row, state: 'retired' }),
    note: 'retired: its versions are kept',
    write: async (tx) => {
      await tx.updateLimitState(row, 'retired');
      return [];
    },
  };
}
