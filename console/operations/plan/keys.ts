import type { ApiKeyRow } from '../../../storage/schema/control.ts';
import type { KeyConfiguration } from '../../contract/configuration.ts';
import { parseInstant } from '../configuration/amounts.ts';
import type { Secrets } from '../configuration/secrets.ts';
import type { FieldPath } from '../configuration/source.ts';
import type { ControlContext } from '../context.ts';
import type { ControlTransaction } from '../ports.ts';
import { nothing, type PlannedChange } from './change-list.ts';
import { mayChange, type Planner } from './places.ts';

const keyIdBytes = 6;

/** A new public id: `key_` and 12 hex digits. */
export function makeKeyId(context: ControlContext): string {
  return `key_${context.randomHex(keyIdBytes)}`;
}

/** A key as everybody may see it: without its hash. */
export function showKey(row: ApiKeyRow): Readonly<Record<string, unknown>> {
  const { hash: _hash, listed: _listed, ...shown } = row;
  return shown;
}

/** Adds a key, and takes revoked keys of the same secret out of the snapshot; returns the tenants that touched. */
export async function addKey(tx: ControlTransaction, row: ApiKeyRow): Promise<readonly string[]> {
  await tx.insertKey(row);
  return tx.unlistRevokedKeys(row.hash);
}

/** Plans the keys of one tenant. A changed secret is a new key under the same name; the one before is revoked. */
export function planKeys(
  planner: Planner,
  tenant: { slug: string; path: FieldPath; wanted: readonly KeyConfiguration[]; secrets: Secrets },
  current: readonly ApiKeyRow[],
): PlannedChange[] {
  const { context } = planner;
  const standing = new Map(current.filter((row) => row.state !== 'revoked').map((row) => [row.name, row]));
  const banned = new Map(current.filter((row) => row.revoked_by === 'api').map((row) => [row.hash, row]));
  const changes: PlannedChange[] = [];
  tenant.wanted.forEach((wanted, index) => {
    const before = standing.get(wanted.name) ?? null;
    standing.delete(wanted.name);
    const path = [...tenant.path, 'keys', index, 'name'];
    if (before !== null && !mayChange(planner, path, { owner: before.owner, what: `Key \`${wanted.name}\`` })) return;
    const after: ApiKeyRow = {
      id: makeKeyId(context),
      tenant: tenant.slug,
      name: wanted.name,
      hash: context.hashKey(tenant.secrets.get(wanted.secretEnv) ?? ''),
      state: 'active',
      listed: true,
      sub_tenant: wanted.subTenant ?? null,
      provider: wanted.provider ?? null,
      actor: wanted.actor ?? null,
      expires_at_ms: wanted.expires === undefined ? null : parseInstant(wanted.expires),
      owner: planner.owner,
      created_at_ms: context.now(),
      revoked_at_ms: null,
      revoked_by: null,
    };
    const ban = banned.get(after.hash);
    if (ban !== undefined) changes.push(planBannedKey(ban, wanted.name));
    else changes.push(before === null ? planNewKey(after) : planStandingKey(context, before, after));
  });
  const gone = [...standing.values()].filter((row) => row.owner === planner.owner);
  return [...changes, ...gone.map((row) => planKeyEnd(context, row))];
}

function head(row: ApiKeyRow): Pick<PlannedChange, 'objectType' | 'tenant' | 'object' | 'objectId'> {
  return { objectType: 'key', tenant: row.tenant, object: row.name, objectId: row.id };
}

function planNewKey(after: ApiKeyRow): PlannedChange {
  return {
    ...head(after),
    change: 'created',
    act: 'key.create',
    before: null,
    after: showKey(after),
    note: `public id ${after.id}`,
    write: (tx) => addKey(tx, after),
  };
}

/** A secret that a person revoked stays revoked, however often the file that names it is applied. */
function planBannedKey(ban: ApiKeyRow, name: string): PlannedChange {
  return {
    ...head(ban),
    object: name,
    change: 'unchanged',
    act: 'key.update',
    before: showKey(ban),
    after: showKey(ban),
    note: `this secret was revoked (${ban.id}) and stays so; give the key a new one`,
    write: nothing,
  };
}

function planStandingKey(context: ControlContext, before: ApiKeyRow, after: ApiKeyRow): PlannedChange {
  if (before.hash !== after.hash) {
    return {
      ...head(after),
      change: 'updated',
      act: 'key.rotate',
      before: showKey(before),
      after: showKey(after),
      note: `new secret, public id ${after.id}; ${before.id} is revoked`,
      release: (tx) =>
        tx.updateKey(before.id, { state: 'revoked', revoked_at_ms: context.now(), revoked_by: before.owner }),
      write: (tx) => addKey(tx, after),
    };
  }
  const { sub_tenant, provider, actor, expires_at_ms, owner } = after;
  const set = { sub_tenant, provider, actor, expires_at_ms, owner };
  const shown = showKey({ ...before, ...set });
  const isSame = JSON.stringify(showKey(before)) === JSON.stringify(shown);
  return {
    ...head(before),
    change: isSame ? 'unchanged' : 'updated',
    act: 'key.update',
    before: showKey(before),
    after: shown,
    note: null,
    write: isSame
      ? nothing
      : async (tx) => {
          await tx.updateKey(before.id, set);
          return [];
        },
  };
}

function planKeyEnd(context: ControlContext, row: ApiKeyRow): PlannedChange {
  const set = { state: 'revoked', revoked_at_ms: context.now(), revoked_by: row.owner } as const;
  return {
    ...head(row),
    change: 'removed',
    act: 'key.revoke',
    before: showKey(row),
    after: showKey({ ...row, ...set }),
    note: `${row.id} is revoked`,
    release: (tx) => tx.updateKey(row.id, set),
    write: nothing,
  };
}
