import { canonicalJson } from '../../../policy/evidence/index.ts';
import type { AppliedChange, ChangeKind, ObjectType } from '../../contract/api.ts';
import type { Act } from '../audit.ts';
import type { ControlTransaction } from '../ports.ts';

/** What an apply has found out that it must do to one object, with the way to do it. */
export interface PlannedChange {
  change: ChangeKind;
  objectType: ObjectType;
  tenant: string;
  /** As a person knows it: slug, id, or a key's name. */
  object: string;
  /** As the audit log knows it: slug, id, or a key's public id. */
  objectId: string;
  /** Past tense is not needed: `key.rotate`, `policy.retire`. */
  act: string;
  before: unknown;
  after: unknown;
  note: string | null;
  /** Frees what another change of the same plan may need (a name, a secret); runs before any `write`. */
  release?: (tx: ControlTransaction) => Promise<void>;
  /** Does the rest, and returns further tenants whose documents it touched. */
  write: (tx: ControlTransaction) => Promise<readonly string[]>;
}

/** A write that does nothing, for an object that is as it should be. */
export const nothing = async (): Promise<readonly string[]> => [];

/** The public form of a change. */
export function describeChange(planned: PlannedChange): AppliedChange {
  return {
    change: planned.change,
    object_type: planned.objectType,
    tenant: planned.tenant,
    object: planned.object,
    fields: planned.change === 'updated' ? listChangedFields(planned.before, planned.after) : [],
    note: planned.note,
  };
}

/** The audit act of a change. */
export function describeAct(planned: PlannedChange): Act {
  return {
    tenant: planned.tenant,
    act: planned.act,
    objectType: planned.objectType,
    objectId: planned.objectId,
    before: planned.before,
    after: planned.after,
  };
}

function listChangedFields(before: unknown, after: unknown): string[] {
  const old = new Map(Object.entries(before ?? {}));
  const now = new Map(Object.entries(after ?? {}));
  const names = [...new Set([...old.keys(), ...now.keys()])].sort();
  return names.filter((name) => canonicalJson(old.get(name) ?? null) !== canonicalJson(now.get(name) ?? null));
}
