import type { PolicyPhase } from '../../storage/schema/snapshot.ts';

/** What a value in a condition can be. There are no floats, no null and no objects. */
export type ValueType = 'boolean' | 'integer' | 'text' | 'texts' | 'integers';

export interface FactDefinition {
  type: Exclude<ValueType, 'integers'>;
  /** First phase in which the fact is known. */
  phase: PolicyPhase;
  meaning: string;
}

/** The phases in the order in which a run passes them. */
export const phaseOrder: readonly PolicyPhase[] = ['request', 'admit', 'response', 'stream'];

const request = (type: FactDefinition['type'], meaning: string): FactDefinition => ({
  type,
  phase: 'request',
  meaning,
});

/**
 * The closed table of facts that a condition may name, beside `tags.<name>` (text: the value of a tag of the run).
 * A fact that a run does not have is missing, which makes a condition that needs it indeterminate.
 */
export const factTable: ReadonlyMap<string, FactDefinition> = new Map([
  ['request.model', request('text', 'model id as the caller wrote it')],
  ['request.provider', request('text', 'slug of the provider')],
  ['request.dialect', request('text', 'wire format, e.g. openai-chat')],
  ['request.route', request('text', 'path after the provider slug')],
  ['request.method', request('text', 'HTTP method, upper case')],
  ['request.stream', request('boolean', 'whether a streamed answer was asked for')],
  ['request.max_output_tokens', request('integer', 'output cap in the request, tokens')],
  ['request.message_count', request('integer', 'messages in the request')],
  ['request.tool_count', request('integer', 'tools offered in the request')],
  ['request.tools', request('texts', 'names of the tools offered, in order')],
  ['request.body_bytes', request('integer', 'size of the body, bytes')],
  ['request.estimated_input_tokens', request('integer', 'ceil(bytes / 4) outside base64 media, an estimate')],
  ['principal.key_id', request('text', 'public id of the key')],
  ['principal.key_name', request('text', 'name of the key')],
  ['principal.sub_tenant', request('text', 'slug of the sub-tenant')],
  ['principal.actor_type', request('text', 'human, service or system')],
  ['principal.actor_id', request('text', 'id of the actor')],
  ['principal.actor_source', request('text', 'verified, asserted or inferred')],
  [
    'price.worst_case_nano_usd',
    request('integer', 'what the request as it came may cost at most, nano-USD, at most 9e15'),
  ],
]);

const tagPrefix = 'tags.';
const tagName = /^[A-Za-z0-9_.:/@-]{1,64}$/;
/** Never names of ours: they would reach an object's prototype in a reader that forgets to ask for own members. */
const prototypeNames = new Set(['__proto__', 'prototype', 'constructor']);

/** Later phases own these names; until their facts exist, a condition that names one is told so. */
const reservedPrefixes: readonly [string, PolicyPhase][] = [
  ['readings.', 'admit'],
  ['session.', 'admit'],
  ['answer.', 'response'],
  ['stream.', 'stream'],
];

const tagFact: FactDefinition = { type: 'text', phase: 'request', meaning: 'value of a tag' };

/** The definition of a fact, or undefined for a name outside the table. */
export function findFact(name: string): FactDefinition | undefined {
  if (name.startsWith(tagPrefix)) return isTagName(name.slice(tagPrefix.length)) ? tagFact : undefined;
  return factTable.get(name);
}

/** Whether a tag may have this name: 1 to 64 of letters, digits and `_.:/@-`, and no name that an object inherits. */
export function isTagName(name: string): boolean {
  return tagName.test(name) && !prototypeNames.has(name);
}

/** The phase that will own a name which is not in the table yet, or undefined. */
export function findReservedPhase(name: string): PolicyPhase | undefined {
  return reservedPrefixes.find(([prefix]) => name.startsWith(prefix))?.[1];
}
