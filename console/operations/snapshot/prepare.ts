import { buildBundledPrices } from '../../../policy/pricing/bundled.ts';
import type { ManifestRow, Principal } from '../../../storage/schema/control.ts';
import type { Act } from '../audit.ts';
import { change } from '../change.ts';
import type { ControlContext } from '../context.ts';
import type { ControlTransaction } from '../ports.ts';
import { hashToken } from '../principal.ts';
import { writeNewEpochs } from './epochs.ts';
import { saveSnapshotDocument, settingNames } from './issue.ts';

/** Control itself as an actor. */
export const controlPrincipal: Principal = { type: 'system', actor: 'system:control', scopes: [], from: null };

const tokenIdBytes = 6;

/**
 * Makes the state ready to serve: the bundled price document of this version, the platform operator's token (hashed, where
 * `serviceToken` is given and new), and a manifest signed with this key. Changes nothing where all that stands.
 */
export async function prepareControl(
  context: ControlContext,
  input: { serviceToken: string | null },
): Promise<ManifestRow> {
  const { manifest, result } = await change(context, controlPrincipal, async (tx) => {
    const acts = [await savePrices(tx, context), await saveServiceToken(tx, context, input.serviceToken)];
    return { result: await tx.countNodes(), acts: acts.filter((act) => act !== null), touched: [] };
  });
  context.metrics.nodesEnrolled(result);
  await writeNewEpochs(context);
  return manifest;
}

async function savePrices(tx: ControlTransaction, context: ControlContext): Promise<Act | null> {
  const before = await tx.readSetting(settingNames.prices);
  const prices = buildBundledPrices();
  const sha256 = await saveSnapshotDocument(tx, context, prices);
  if (before === sha256) return null;
  await tx.saveSetting({ name: settingNames.prices, value: sha256 });
  const facts = { source: prices.source };
  return { tenant: '', act: 'prices.update', objectType: 'prices', objectId: sha256, before, after: sha256, facts };
}

async function saveServiceToken(
  tx: ControlTransaction,
  context: ControlContext,
  token: string | null,
): Promise<Act | null> {
  if (token === null) return null;
  const row = {
    id: `svc_${context.randomHex(tokenIdBytes)}`,
    name: 'platform operator',
    token_hash: hashToken(token),
    scopes: '*',
    loopback_only: true,
    created_at_ms: context.now(),
    expires_at_ms: null,
    revoked_at_ms: null,
  };
  if (!(await tx.insertServiceToken(row))) return null;
  const { token_hash: _hash, ...after } = row;
  return {
    tenant: '',
    act: 'service_token.create',
    objectType: 'service_token',
    objectId: row.id,
    before: null,
    after,
  };
}
