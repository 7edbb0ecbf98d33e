import { isObject, readCap } from '../json-fields.ts';
import { type Edited, setMember } from '../json-members.ts';

/**
 * Puts `max_tokens` of at most `tokens` into a messages request. Null where it is at most that already. A thinking budget
 * stays as it is: where it is no longer below the cap, the provider says so.
 */
export function capMessagesOutput(bytes: Uint8Array, body: unknown, tokens: number): Edited {
  if (!isObject(body)) return null;
  const cap = readCap(body.max_tokens);
  if (cap !== null && cap <= tokens) return null;
  return setMember(bytes, body, { name: 'max_tokens', value: `${tokens}` });
}
