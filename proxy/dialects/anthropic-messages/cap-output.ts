import { type JsonObject, readCap } from '../json-fields.ts';

/**
 * The member, with its JSON text, by which a messages request gets a cap of `tokens`; none where it has one that is at
 * most that. A thinking budget stays as it is: where it is no longer below the cap, the provider says so.
 */
export function planMessagesCap(body: JsonObject, tokens: number): Map<string, string> {
  const cap = readCap(body.max_tokens);
  return new Map(cap !== null && cap <= tokens ? [] : [['max_tokens', `${tokens}`]]);
}
