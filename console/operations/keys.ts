import type { ApiKeyRow, Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { CreatedKey, CreateKeyRequest, KeySummary } from '../contract/api.ts';
import { change } from './change.ts';
import { parseInstant } from './configuration/amounts.ts';
import type { ControlContext } from './context.ts';
import { formatKey } from './key-format.ts';
import { addKey, makeKeyId, showKey } from './plan/keys.ts';
import type { ControlTransaction } from './ports.ts';

const secretBytes = 32;
const nameForm = /^[A-Za-z0-9][A-Za-z0-9 ._@-]{0,98}$/;
const actorForm = /^(service:|system:|human:)?[^\s:,][^\s,]{0,199}$/;

function refuse(field: string, message: string): HocError {
  const findings = [{ file: null, line: null, field, message }];
  return new HocError({ code: 'input_invalid', publicMessage: `${field}: ${message}`, findings });
}

function summarize(row: ApiKeyRow, nowMs: number): KeySummary {
  const { hash: _hash, listed: _listed, revoked_by: _by, state, ...rest } = row;
  const isExpired = state === 'active' && row.expires_at_ms !== null && row.expires_at_ms <= nowMs;
  return { ...rest, state: isExpired ? 'expired' : state };
}

/**
 * Creates a key of our own form. Its secret is in the answer, once: only its keyed hash is stored. Throws `not_found` for
 * an unknown tenant, `input_invalid` with the field for anything the tenant does not have, `conflict` for a name in use.
 */
export async function createKey(
  context: ControlContext,
  principal: Principal,
  request: CreateKeyRequest,
): Promise<CreatedKey> {
  const id = makeKeyId(context);
  const secret = formatKey(id, context.randomHex(secretBytes));
  const { result } = await change(context, principal, async (tx) => {
    const row = await makeRow(tx, context, { id, hash: context.hashKey(secret), request });
    const touched = [row.tenant, ...(await addKey(tx, row))];
    const act = {
      tenant: row.tenant,
      act: 'key.create',
      objectType: 'key',
      objectId: id,
      before: null,
      after: showKey(row),
    };
    return { result: row, acts: [act], touched };
  });
  return { ...summarize(result, context.now()), secret };
}

async function makeRow(
  tx: ControlTransaction,
  context: ControlContext,
  input: { id: string; hash: string; request: CreateKeyRequest },
): Promise<ApiKeyRow> {
  const { request } = input;
  const [objects] = await tx.readTenantObjects([request.tenant]);
  if (objects === undefined || objects.tenant.state === 'terminated') {
    throw new HocError({ code: 'not_found', publicMessage: `There is no tenant \`${request.tenant}\`` });
  }
  if (!nameForm.test(request.name)) throw refuse('name', 'expected letters, digits, spaces and . _ @ -');
  if (objects.keys.some((key) => key.state !== 'revoked' && key.name === request.name)) {
    throw new HocError({ code: 'conflict', publicMessage: `Tenant \`${request.tenant}\` has a key of that name` });
  }
  const provider = request.provider ?? null;
  if (provider !== null && !objects.providers.some((row) => row.slug === provider)) {
    throw refuse('provider', 'expected one of the tenant’s providers');
  }
  const subTenant = request.sub_tenant ?? null;
  if (subTenant !== null && !objects.sub_tenants.some((row) => row.slug === subTenant)) {
    throw refuse('sub_tenant', 'expected one of the tenant’s sub-tenants');
  }
  const actor = request.actor ?? null;
  if (actor !== null && !actorForm.test(actor)) throw refuse('actor', 'expected an actor such as user-a or service:x');
  const expires = request.expires === undefined ? null : parseInstant(request.expires);
  if (request.expires !== undefined && expires === null)
    throw refuse('expires', 'expected an instant such as 2027-01-31');
  return {
    id: input.id,
    tenant: request.tenant,
    name: request.name,
    hash: input.hash,
    state: 'active',
    listed: true,
    sub_tenant: subTenant,
    provider,
    actor,
    expires_at_ms: expires,
    owner: 'api',
    created_at_ms: context.now(),
    revoked_at_ms: null,
    revoked_by: null,
  };
}

/**
 * Revokes a key by its public id; on every proxy within a second. Revoking a revoked key changes nothing and leaves no
 * entry. A key of a file is revoked too, and the file does not bring its secret back. Throws `not_found`.
 */
export async function revokeKey(context: ControlContext, principal: Principal, id: string): Promise<KeySummary> {
  const { result } = await change(context, principal, async (tx) => {
    const before = await tx.readKey(id);
    if (before === null) throw new HocError({ code: 'not_found', publicMessage: 'There is no key of that public id' });
    if (before.state === 'revoked') return { result: before, acts: [], touched: [] };
    const set = { state: 'revoked', revoked_at_ms: context.now(), revoked_by: 'api' } as const;
    await tx.updateKey(id, set);
    const after = { ...before, ...set };
    const { tenant } = before;
    const shown = { before: showKey(before), after: showKey(after) };
    return {
      result: after,
      acts: [{ tenant, act: 'key.revoke', objectType: 'key', objectId: id, ...shown }],
      touched: [tenant],
    };
  });
  return summarize(result, context.now());
}

/** Keys of one tenant, or of all; never a hash. Throws `not_found` for an unknown tenant. */
export async function listKeys(context: ControlContext, tenant: string | null): Promise<KeySummary[]> {
  return context.store.transaction(async (tx) => {
    if (tenant !== null && (await tx.readTenant(tenant)) === null) {
      throw new HocError({ code: 'not_found', publicMessage: `There is no tenant \`${tenant}\`` });
    }
    return (await tx.readKeys(tenant)).map((row) => summarize(row, context.now()));
  });
}
