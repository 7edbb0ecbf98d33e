import type { NodeRow, Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { CredentialDocument, SealedCredentials } from '../../storage/schema/snapshot.ts';
import { change } from './change.ts';
import type { ControlContext } from './context.ts';
import { placeOfCredential } from './plan/providers.ts';
import { hashToken } from './principal.ts';
import { settingNames } from './snapshot/issue.ts';

const nodeIdBytes = 6;
const tokenBytes = 32;
const nameForm = /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/;

/** What a node gets when it enrols; the token is in this answer and nowhere else. */
export interface Enrolment {
  node_id: string;
  node_token: string;
}

/**
 * Enrols a node with its X25519 public key and gives it a token of its own. A node that enrols again under its name keeps
 * its id; its key and token are replaced, and the token before stops working. Throws `input_invalid` for a bad key or name.
 */
export async function enrolNode(
  context: ControlContext,
  principal: Principal,
  request: { name: string; public_key: string },
): Promise<Enrolment> {
  if (!nameForm.test(request.name)) {
    throw new HocError({
      code: 'input_invalid',
      publicMessage: 'name: expected letters, digits, dots, hyphens and underscores',
    });
  }
  context.vault.checkNodeKey(request.public_key);
  const token = `hocn_${context.randomHex(tokenBytes)}`;
  const { result } = await change(context, principal, async (tx) => {
    const before = await tx.readNodeByName(request.name);
    const row: NodeRow = {
      id: before?.id ?? `node_${context.randomHex(nodeIdBytes)}`,
      name: request.name,
      public_key: request.public_key,
      token_hash: hashToken(token),
      enrolled_at_ms: context.now(),
      revoked_at_ms: null,
    };
    await tx.saveNode(row);
    const act = {
      tenant: '',
      act: 'node.enrol',
      objectType: 'node',
      objectId: row.id,
      before: before === null ? null : showNode(before),
      after: showNode(row),
    };
    return { result: { row, nodes: await tx.countNodes() }, acts: [act], touched: [] };
  });
  context.metrics.nodesEnrolled(result.nodes);
  return { node_id: result.row.id, node_token: token };
}

function showNode(row: NodeRow): Readonly<Record<string, unknown>> {
  const { token_hash: _hash, ...shown } = row;
  return shown;
}

/**
 * The credentials in use, with the version before of each for proxies on the manifest before, sealed to the node that
 * asks: nobody else reads them. Throws `forbidden` for anyone but an enrolled node.
 */
export async function sealCredentials(context: ControlContext, nodeTokenHash: string): Promise<SealedCredentials> {
  const { node, rows, version } = await context.store.transaction(async (tx) => ({
    node: await tx.readNodeByToken(nodeTokenHash),
    rows: await tx.readLiveCredentials(),
    version: Number((await tx.readSetting(settingNames.credentialsVersion)) ?? '0'),
  }));
  if (node === null) throw new HocError({ code: 'forbidden', publicMessage: 'Only an enrolled node gets credentials' });
  const credentials: CredentialDocument['credentials'][number][] = [];
  for (const { id, version: credentialVersion, envelope } of rows) {
    if (envelope === null) continue;
    const secret = context.vault.open(placeOfCredential(id, credentialVersion), envelope);
    credentials.push({ id, version: credentialVersion, secret });
  }
  return context.vault.sealToNode({ id: node.id, publicKey: node.public_key }, { version, credentials });
}
