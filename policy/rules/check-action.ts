import type { Fault } from './check-condition.ts';
import { isTagName } from './facts.ts';

const maxReasonLength = 500;
const maxTags = 16;
const maxTagLength = 250;
/** Controls and lone surrogates: a reason is shown to callers, in an error body and on screens. */
const unprintable = /\p{Cc}|\p{Surrogate}/u;

/** What is wrong with a policy's `then`. Every action of the request phase is known here and no other. */
export function checkAction(then: unknown): Fault[] {
  if (typeof then !== 'object' || then === null) return [{ path: '.then', message: 'expected an action' }];
  const { action, reason, tags } = then as Readonly<Record<string, unknown>>;
  if (action === 'deny' || action === 'warn') return checkReason(reason);
  if (action === 'tag') return checkTags(tags);
  return [{ path: '.then.action', message: 'a request policy can deny, warn or tag' }];
}

function checkReason(reason: unknown): Fault[] {
  const fits = isPrintable(reason, maxReasonLength);
  return fits ? [] : [{ path: '.then.reason', message: `a reason is one line of 1 to ${maxReasonLength} characters` }];
}

function checkTags(tags: unknown): Fault[] {
  if (typeof tags !== 'object' || tags === null || Array.isArray(tags)) {
    return [{ path: '.then.tags', message: 'expected an object of tags' }];
  }
  const entries = Object.entries(tags);
  if (entries.length === 0 || entries.length > maxTags) {
    return [{ path: '.then.tags', message: `expected 1 to ${maxTags} tags` }];
  }
  const wrong = entries.some(([name, value]) => !isTagName(name) || !isPrintable(value, maxTagLength));
  const message = `a tag has a name of letters, digits and _.:/@- and a value of 1 to ${maxTagLength} characters in one line`;
  return wrong ? [{ path: '.then.tags', message }] : [];
}

function isPrintable(value: unknown, longest: number): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= longest && !unprintable.test(value);
}
