import { createHash, timingSafeEqual } from 'node:crypto';
import type { Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { ControlContext } from './context.ts';

/** What a route asks for; a token's scopes are a list of these, or `*`. */
export type Permission =
  | 'configuration.apply'
  | 'keys.read'
  | 'keys.write'
  | 'limits.write'
  | 'runs.read'
  | 'tenants.read'
  | 'installation.read'
  | 'installation.write'
  | 'node.enrol'
  | 'node.snapshot'
  | 'node.credentials';

/** Tokens that come from the environment instead of the database. */
export interface EnvironmentTokens {
  /** Enrols nodes and lets them read snapshots until they are enrolled. */
  node: string | null;
  /** Acts as `system:config`, from loopback only. */
  bootstrap: string | null;
}

/** Where a request came from. */
export interface Origin {
  address: string | null;
  /** On the machine's own loopback, and not through a reverse proxy. */
  isLoopback: boolean;
}

/** SHA-256 of a token, hex: tokens are random and long, so that a plain digest cannot be guessed back. */
export function hashToken(token: string): string {
  return createHash('sha256').update(token, 'utf8').digest('hex');
}

function isSameToken(given: string, expected: string | null): boolean {
  return expected !== null && timingSafeEqual(Buffer.from(hashToken(given)), Buffer.from(hashToken(expected)));
}

function unauthenticated(): HocError {
  return new HocError({
    code: 'unauthenticated',
    publicMessage: 'A valid token is required: Authorization: Bearer <token>',
  });
}

/**
 * Finds out who holds a token. Throws `unauthenticated` for an unknown, expired or revoked one, and `forbidden` for one
 * that is valid on loopback only and came from elsewhere. Tokens are compared as digests, so that timing tells nothing.
 */
export async function authenticate(
  context: ControlContext,
  tokens: EnvironmentTokens,
  { token, origin }: { token: string | null; origin: Origin },
): Promise<Principal> {
  if (token === null || token.length === 0 || token.length > 4_096) throw unauthenticated();
  const from = origin.address;
  if (isSameToken(token, tokens.bootstrap)) {
    requireLoopback(origin);
    return { type: 'system', actor: 'system:config', scopes: ['*'], from };
  }
  if (isSameToken(token, tokens.node)) {
    return { type: 'system', actor: 'system:node-token', scopes: ['node.enrol', 'node.snapshot'], from };
  }
  const hash = hashToken(token);
  const found = await context.store.transaction(async (tx) => ({
    service: await tx.readServiceToken(hash),
    node: await tx.readNodeByToken(hash),
  }));
  if (found.node !== null) {
    return { type: 'system', actor: `system:${found.node.id}`, scopes: ['node.snapshot', 'node.credentials'], from };
  }
  const { service } = found;
  if (service === null) throw unauthenticated();
  if (service.expires_at_ms !== null && service.expires_at_ms <= context.now()) throw unauthenticated();
  if (service.loopback_only) requireLoopback(origin);
  return { type: 'service', actor: `service:${service.id}`, scopes: service.scopes.split(','), from };
}

function requireLoopback(origin: Origin): void {
  if (origin.isLoopback) return;
  throw new HocError({ code: 'forbidden', publicMessage: 'This token is valid on the machine itself only' });
}

/** Throws `forbidden` unless the principal holds the permission. Node permissions are never part of `*`. */
export function authorize(principal: Principal, permission: Permission): void {
  const isNode = permission.startsWith('node.');
  if (principal.scopes.includes(permission) || (!isNode && principal.scopes.includes('*'))) return;
  throw new HocError({ code: 'forbidden', publicMessage: `This token may not do this; it needs \`${permission}\`` });
}
