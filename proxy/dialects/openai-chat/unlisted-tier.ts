import { type JsonObject, readText } from '../json-fields.ts';

/** Tiers that cost what a price list says, or less: capacity that was bought, or answers that may wait. */
const listedTiers = new Set(['auto', 'default', 'standard', 'flex', 'batch', 'scale', 'on_demand']);

/** Whether a request asks for a tier whose rates no price list tells, such as `priority`. */
export function asksForUnlistedTier(body: JsonObject): boolean {
  const { service_tier: tier } = body;
  return tier !== undefined && tier !== null && !listedTiers.has(readText(tier) ?? '');
}
