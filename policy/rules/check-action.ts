import type { PolicyAction, PolicyPhase } from '../../storage/schema/snapshot.ts';
import { checkChanges } from './check-changes.ts';
import { isTagName } from './facts.ts';
import type { Fault } from './walk.ts';

const maxReasonLength = 500;
const maxTags = 16;
const maxTagLength = 250;
/** Controls and lone surrogates: a reason is shown to callers, in an error body and on screens. */
const unprintable = /\p{Cc}|\p{Surrogate}/u;

type ActionName = PolicyAction['action'];

/** What a policy of each phase may do. */
const actionsOf: Readonly<Record<PolicyPhase, readonly ActionName[]>> = {
  request: ['deny', 'hold', 'modify', 'warn', 'tag'],
  admit: ['deny', 'warn', 'tag'],
  response: ['deny', 'modify', 'warn', 'tag'],
  stream: ['deny', 'warn', 'tag'],
};

/** What is wrong with a policy's `then` in its phase. */
export function checkAction(then: unknown, phase: PolicyPhase): Fault[] {
  if (typeof then !== 'object' || then === null) return [{ path: '.then', message: 'expected an action' }];
  const { action, reason, tags, changes } = then as Readonly<Record<string, unknown>>;
  const allowed = actionsOf[phase];
  if (!allowed.some((name) => name === action)) {
    const last = allowed.at(-1);
    const message = `${phase === 'admit' ? 'an' : 'a'} ${phase} policy can ${allowed.slice(0, -1).join(', ')} or ${last}`;
    return [{ path: '.then.action', message }];
  }
  if (action === 'tag') return checkTags(tags);
  const faults = checkReason(reason);
  return action === 'modify' ? [...faults, ...checkChanges(changes, phase)] : faults;
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
