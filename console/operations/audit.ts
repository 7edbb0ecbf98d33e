import { canonicalJson, commit, leafHash, sha256Hex } from '../../policy/evidence/index.ts';
import type { AuditRecord } from '../../storage/schema/audit.ts';
import type { AuditEntryRow, AuditOpenValuesRow, Principal } from '../../storage/schema/control.ts';
import type { ControlContext } from './context.ts';
import type { ControlTransaction } from './ports.ts';

/** One act to be put on record. `before` and `after` are public forms of the object: they never hold a secret. */
export interface Act {
  /** The log it belongs to: a tenant's slug, or the empty string for the platform's. */
  tenant: string;
  /** `<object>.<verb>`. */
  act: string;
  objectType: string;
  objectId: string;
  before: unknown;
  after: unknown;
  facts?: Readonly<Record<string, string | number>>;
}

const saltBytes = 16;

/**
 * Appends acts to their logs, in the transaction of the change itself: both stand or neither does.
 *
 * Call it once, last, with everything the operation did: logs are locked in the order of their tenants, so that two
 * operations never wait for each other. Sequences are gapless; each entry's stored bytes are what its leaf hash covers.
 */
export async function appendAudit(
  tx: ControlTransaction,
  context: ControlContext,
  { principal, acts }: { principal: Principal; acts: readonly Act[] },
): Promise<void> {
  const atMs = context.now();
  for (const [tenant, ofTenant] of groupByTenant(acts)) {
    const first = await tx.takeAuditSequences(tenant, ofTenant.length);
    const entries: AuditEntryRow[] = [];
    const open: AuditOpenValuesRow[] = [];
    for (const [index, act] of ofTenant.entries()) {
      const salt = context.randomHex(saltBytes);
      const sequence = first + index;
      const raw = canonicalJson(makeRecord({ act, sequence, atMs, actor: commit(salt, principal.actor) }));
      entries.push({ tenant, sequence, raw: Buffer.from(raw, 'utf8'), leaf_hash: leafHash(raw), at_ms: atMs });
      open.push({
        tenant,
        sequence,
        actor_salt: salt,
        actor_value: principal.actor,
        from_address: principal.from,
        before: render(act.before),
        after: render(act.after),
      });
    }
    await tx.insertAuditEntries(entries, open);
  }
}

function makeRecord(input: { act: Act; sequence: number; atMs: number; actor: string }): AuditRecord {
  const before = render(input.act.before);
  const after = render(input.act.after);
  return {
    v: 1,
    kind: 'audit',
    tenant: input.act.tenant,
    sequence: input.sequence,
    at_ms: input.atMs,
    actor: input.actor,
    act: input.act.act,
    object_type: input.act.objectType,
    object_id: input.act.objectId,
    allowed: true,
    before: before === null ? null : sha256Hex(before),
    after: after === null ? null : sha256Hex(after),
    facts: input.act.facts ?? {},
  };
}

function render(value: unknown): string | null {
  return value === null || value === undefined ? null : canonicalJson(value);
}

function groupByTenant(acts: readonly Act[]): [string, Act[]][] {
  const groups = new Map<string, Act[]>();
  for (const act of acts) {
    const list = groups.get(act.tenant) ?? [];
    list.push(act);
    groups.set(act.tenant, list);
  }
  return [...groups].sort(([a], [b]) => (a < b ? -1 : 1));
}
