import fc from 'fast-check';
import type { DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import type { PolicyEntry } from '../../storage/schema/snapshot.ts';
import { freezeContext, type ScopeFacts } from './index.ts';

/** A policy that denies where its condition holds; any field can be overridden. For tests. */
export function policyOf(when: unknown, fields: Partial<PolicyEntry> = {}): PolicyEntry {
  const then = { action: 'deny', reason: 'no' } as const;
  return { id: 'p', version: 1, phase: 'request', mode: 'enforce', scope: {}, when, then, on_error: 'deny', ...fields };
}

export const anyRun: ScopeFacts = {
  sub_tenant: 'research',
  key: 'app',
  key_id: 'key_1',
  actor: 'user-a',
  provider: 'openai',
  model: 'gpt-4o',
  route: '/v1/chat/completions',
  tags: { team: 'x' },
};

export function contextOf(facts: Readonly<Record<string, FactValue>>, names = Object.keys(facts)): DecisionContext {
  return freezeContext({ phase: 'request', atMs: 1_763_800_000_000, names, read: (name) => facts[name] });
}

const words = ['', 'gpt-4', 'gpt-4o', 'claude', 'o1', 'shell', 'search', 'user-a', 'x', 'é😀', 'prev', 'await '];
export const textFacts = ['request.model', 'request.provider', 'principal.actor_id', 'tags.team'];
export const integerFacts = ['request.max_output_tokens', 'request.message_count', 'price.worst_case_nano_usd'];

const word = fc.oneof(fc.constantFrom(...words), fc.string({ maxLength: 6 }));
const integer = fc.oneof(
  fc.integer({ min: -3, max: 9 }),
  fc.constantFrom(0, 1, 2, 3, 9e15, 2 ** 53 - 1),
  fc.maxSafeInteger(),
);

const factVar = (names: readonly string[]) => fc.constantFrom(...names).map((name) => ({ var: name }));
const call = (names: readonly string[], ...args: fc.Arbitrary<unknown>[]) =>
  fc.tuple(fc.constantFrom(...names), fc.tuple(...args)).map(([name, values]) => ({ [name]: values }));
const calls = (names: readonly string[], arg: fc.Arbitrary<unknown>, minLength: number, maxLength: number) =>
  fc
    .tuple(fc.constantFrom(...names), fc.array(arg, { minLength, maxLength }))
    .map(([name, args]) => ({ [name]: args }));

const comparisons = ['==', '===', '!=', '!=='];

/** Conditions of the language, all operators and types, within its bounds nearly always. */
export const condition: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  integer: fc.oneof(
    { maxDepth: 4 },
    integer,
    factVar(integerFacts),
    calls(['+', 'min', 'max'], tie('integer'), 1, 3),
    calls(['*'], tie('integer'), 2, 3),
    calls(['-'], tie('integer'), 1, 2),
    call(['if'], tie('boolean'), tie('integer'), tie('integer')),
  ),
  text: fc.oneof({ maxDepth: 4 }, word, factVar(textFacts), call(['if'], tie('boolean'), tie('text'), tie('text'))),
  texts: fc.oneof(fc.array(word, { maxLength: 12 }), factVar(['request.tools'])),
  item: fc.oneof(word, fc.constant({ var: '' })),
  itemTest: fc.oneof(
    { maxDepth: 3 },
    call(comparisons, tie('item'), tie('item')),
    call(['startsWith', 'endsWith', 'contains', 'in'], tie('item'), tie('item')),
    calls(['and', 'or'], tie('itemTest'), 1, 3),
  ),
  boolean: fc.oneof(
    { maxDepth: 5 },
    fc.boolean(),
    factVar(['request.stream']),
    call(comparisons, tie('text'), tie('text')),
    call(comparisons, tie('integer'), tie('integer')),
    call(comparisons, tie('boolean'), tie('boolean')),
    calls(['<', '<='], tie('integer'), 2, 3),
    call(['>', '>='], tie('integer'), tie('integer')),
    calls(['and', 'or'], tie('boolean'), 1, 4),
    call(['!', '!!'], fc.oneof(tie('boolean'), tie('text'), tie('integer'), factVar(['request.tools']))),
    call(['in'], tie('text'), fc.oneof(tie('texts'), tie('text'))),
    call(['in'], tie('integer'), fc.array(integer, { minLength: 1, maxLength: 12 })),
    call(['contains'], fc.oneof(tie('texts'), tie('text')), tie('text')),
    call(['startsWith', 'endsWith'], tie('text'), tie('text')),
    call(['some', 'none', 'all'], tie('texts'), tie('itemTest')),
    call(['if'], tie('boolean'), tie('boolean'), tie('boolean')),
    call(['if'], tie('boolean'), tie('boolean'), tie('boolean'), tie('boolean'), tie('boolean')),
  ),
})).boolean;

/** Values for every fact that `condition` names. */
export const factValues: fc.Arbitrary<Record<string, FactValue>> = fc
  .tuple(
    fc.tuple(...textFacts.map((name) => fc.tuple(fc.constant(name), word))),
    fc.tuple(...integerFacts.map((name) => fc.tuple(fc.constant(name), fc.integer({ min: -3, max: 9 })))),
    fc.array(word, { maxLength: 5 }),
    fc.boolean(),
  )
  .map(([texts, integers, tools, stream]) => ({
    ...Object.fromEntries<FactValue>(texts),
    ...Object.fromEntries<FactValue>(integers),
    'request.tools': tools,
    'request.stream': stream,
  }));
