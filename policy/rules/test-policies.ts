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
const patterns = ['^gpt', '(?i)CLAUDE', 'o\\d$', '(a+)+$', 'x|é', '.'];
const windows = ['mon-fri 09:00-17:00', 'sat,sun', '22:00-06:00', 'fri-mon 00:00-24:00'];
const quantities = ['1 count', '0 count', '3 count'];

/** Operators that look at what is missing, beside those that never do. */
const ofAbsence = (tie: fc.LetrecTypedTie<Record<string, unknown>> | fc.LetrecLooselyTypedTie) => [
  fc.uniqueArray(fc.constantFrom(...textFacts), { minLength: 1 }).map((names) => ({ '!!': [{ missing: names }] })),
  fc
    .uniqueArray(fc.constantFrom(...textFacts), { minLength: 2 })
    .map((names) => ({ '!': [{ missing_some: [1, names] }] })),
  fc.tuple(fc.constantFrom(...textFacts), word).map(([name, other]) => ({ '==': [{ var: [name, other] }, other] })),
  call(
    ['=='],
    fc.tuple(factVar(textFacts), factVar(textFacts), word).map((args) => ({ '??': args })),
    tie('text'),
  ),
];

/** Conditions of the language, all operators and types, within its bounds nearly always. */
function makeCondition(withAbsence: boolean): fc.Arbitrary<unknown> {
  return fc.letrec((tie) => ({
    integer: fc.oneof(
      { maxDepth: 4 },
      integer,
      factVar(integerFacts).map((fact) => ({ bare: [fact] })),
      calls(['+', 'min', 'max'], tie('integer'), 1, 3),
      calls(['*', '%', '/'], tie('integer'), 2, 3),
      calls(['-'], tie('integer'), 1, 2),
      call(['if', '?:'], tie('boolean'), tie('integer'), tie('integer')),
      call(['length'], fc.oneof(tie('text'), tie('texts'))).map((length) => ({ bare: [length] })),
      call(['count'], tie('texts'), tie('itemTest')).map((count) => ({ bare: [count] })),
      call(
        ['reduce'],
        tie('integers'),
        call(['+', 'max', '-'], fc.constant({ var: 'current' }), fc.constant({ var: 'accumulator' })),
        tie('integer'),
      ),
    ),
    text: fc.oneof(
      { maxDepth: 4 },
      word,
      factVar(textFacts),
      call(['if'], tie('boolean'), tie('text'), tie('text')),
      calls(['cat'], fc.oneof(tie('text'), tie('integer')), 1, 3),
      call(['substr'], tie('text'), fc.integer({ min: -4, max: 4 }), fc.integer({ min: -4, max: 4 })),
      call(['substr'], tie('text'), fc.integer({ min: -4, max: 4 })),
      call(['lower', 'upper'], tie('text')),
    ),
    texts: fc.oneof(
      { maxDepth: 3 },
      fc.array(word, { maxLength: 12 }),
      factVar(['request.tools']),
      calls(['merge'], fc.oneof(tie('texts'), tie('text')), 1, 3),
      call(['filter'], tie('texts'), tie('itemTest')),
      call(['map'], tie('texts'), call(['cat'], fc.constant({ var: '' }), word)),
    ),
    integers: fc.oneof(
      fc.array(integer, { minLength: 1, maxLength: 12 }),
      fc.array(fc.oneof(integer, tie('integer')), { minLength: 1, maxLength: 3 }),
    ),
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
      calls(comparisons, tie('text'), 2, 3),
      call(comparisons, tie('integer'), tie('integer')),
      call(comparisons, tie('boolean'), tie('boolean')),
      calls(['<', '<=', '>', '>='], tie('integer'), 2, 3),
      call(['<', '>='], tie('text'), tie('text')),
      call(
        ['<', '=='],
        factVar(['request.message_count']),
        fc.constantFrom(...quantities).map((quantity) => ({ quantity })),
      ),
      calls(['and', 'or'], tie('boolean'), 1, 4),
      call(['!', '!!'], fc.oneof(tie('boolean'), tie('text'), tie('integer'), tie('texts'))),
      call(['in'], tie('text'), fc.oneof(tie('texts'), tie('text'))),
      call(['in'], tie('integer'), tie('integers')),
      call(['contains'], fc.oneof(tie('texts'), tie('text')), tie('text')),
      call(['startsWith', 'endsWith'], tie('text'), tie('text')),
      call(['matches'], tie('text'), fc.constantFrom(...patterns)),
      calls(['during'], fc.constantFrom(...windows), 1, 2),
      call(['intersects', 'subset'], tie('texts'), tie('texts')),
      call(['some', 'none', 'all'], tie('texts'), tie('itemTest')),
      call(['if'], tie('boolean'), tie('boolean'), tie('boolean')),
      call(['if'], tie('boolean'), tie('boolean')),
      call(['if', '?:'], tie('boolean'), tie('boolean'), tie('boolean'), tie('boolean'), tie('boolean')),
      ...(withAbsence ? ofAbsence(tie) : []),
    ),
  })).boolean;
}

/** Conditions that a fact which turns up can only decide, never turn round. */
export const condition: fc.Arbitrary<unknown> = makeCondition(false);
/** All conditions: also with defaults, `missing` and `??`. */
export const anyCondition: fc.Arbitrary<unknown> = makeCondition(true);

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
