import type { CounterWindow } from '../schema/reservation.ts';

/**
 * What all Redis keys of a tenant start with: `hoc:{<slug>}:`, whose braces keep them on one node of a cluster.
 * A character that no slug holds is written as `%` and four hex digits, so that no two tenants share a key.
 */
export function tenantPrefix(tenant: string): string {
  const safe = tenant.replace(/[^A-Za-z0-9._-]/g, (char) => `%${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `hoc:{${safe}}:`;
}

/** The keys that every call of the limits script is given: the epoch, the open runs, their due times, the callers' ticks. */
export function limitKeys(tenant: string): [epoch: string, runs: string, due: string, ticks: string] {
  const prefix = tenantPrefix(tenant);
  return [`${prefix}epoch`, `${prefix}runs`, `${prefix}due`, `${prefix}ticks`];
}

/** Holds the token of whoever restores the tenant's counters. */
export function restoreKey(tenant: string): string {
  return `${tenantPrefix(tenant)}restore`;
}

/** The keys of a session's runs, and of those with one prompt. */
export function sessionKeys(
  tenant: string,
  { sessionDigest, promptDigest }: { sessionDigest: string; promptDigest: string },
): [runs: string, samePrompt: string] {
  const prefix = `${tenantPrefix(tenant)}session:${sessionDigest}`;
  return [prefix, `${prefix}:${promptDigest}`];
}

/** A window as the scripts read it: `n`, `u<unit ms>`, `m<months>` or `r<window ms>`. It ends the counter's key. */
export function windowTag(window: CounterWindow): string {
  if (window.align === 'none') return 'n';
  if (window.align === 'rolling') return `r${window.windowMs}`;
  return 'unitMs' in window ? `u${window.unitMs}` : `m${window.months}`;
}
