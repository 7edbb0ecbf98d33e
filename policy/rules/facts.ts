import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import { type FactDefinition, factTable } from './fact-table.ts';
import { readScanTest } from './scans.ts';

export { type FactDefinition, factTable } from './fact-table.ts';

/** Phases whose facts a phase sees, its own last. An answer and a stream never see each other. */
const visiblePhases: Readonly<Record<PolicyPhase, readonly PolicyPhase[]>> = {
  request: ['request'],
  admit: ['request', 'admit'],
  response: ['request', 'admit', 'response'],
  stream: ['request', 'admit', 'stream'],
};

export const phases: readonly PolicyPhase[] = ['request', 'admit', 'response', 'stream'];

/** Whether a value is one of the four phases. */
export function isPhase(value: unknown): value is PolicyPhase {
  return phases.some((phase) => phase === value);
}

/** Whether policies of `phase` may name facts of `factPhase`. */
export function isVisible(factPhase: PolicyPhase, phase: PolicyPhase): boolean {
  return visiblePhases[phase].includes(factPhase);
}

/** Where the checker looks facts up: the table of the product, or one that a test made. */
export interface FactSource {
  find: (name: string) => FactDefinition | undefined;
  /** Names to propose where an unknown one was written. */
  names: () => readonly string[];
}

const tagPrefix = 'tags.';
const tagName = /^[A-Za-z0-9_.:/@-]{1,64}$/;
const limitName = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
/** Never names of ours: they would reach an object's prototype in a reader that forgets to ask for own members. */
const prototypeNames = new Set(['__proto__', 'prototype', 'constructor']);

const tagFact: FactDefinition = { type: 'text', unit: null, phase: 'request', meaning: 'value of a tag' };
const limitFacts: readonly [string, FactDefinition][] = [
  ['readings.percent.', { type: 'integer', unit: 'percent', phase: 'admit', meaning: 'use of a limit after this run' }],
  [
    'readings.remaining.',
    { type: 'integer', unit: null, phase: 'admit', meaning: "what a limit leaves, in the limit's unit" },
  ],
];

const scanResult: FactDefinition = { type: 'boolean', unit: null, phase: 'request', meaning: 'a scan of a content' };
const scanLength: FactDefinition = { ...scanResult, type: 'integer', unit: 'characters' };

/**
 * The definition of a fact, or undefined for a name outside the closed table. The table is: `factTable`, `tags.<name>`,
 * `readings.percent.<limit id>`, `readings.remaining.<limit id>`, and, in contexts only, the derived names of scans.
 */
export function findFact(name: string): FactDefinition | undefined {
  const known = factTable.get(name);
  if (known !== undefined) return known;
  if (name.startsWith(tagPrefix)) return isTagName(name.slice(tagPrefix.length)) ? tagFact : undefined;
  for (const [prefix, fact] of limitFacts) {
    if (name.startsWith(prefix)) return isLimitName(name.slice(prefix.length)) ? fact : undefined;
  }
  const test = readScanTest(name);
  if (test === null) return undefined;
  return test === 'length' ? scanLength : scanResult;
}

/** The facts that conditions may name; with `limits`, readings only of those. */
export function factsOf(limits?: readonly string[]): FactSource {
  const known = limits === undefined ? null : new Set(limits);
  return {
    find: (name) => {
      if (readScanTest(name) !== null) return undefined;
      const [prefix] = limitFacts.find(([start]) => name.startsWith(start)) ?? [];
      if (prefix !== undefined && known !== null && !known.has(name.slice(prefix.length))) return undefined;
      return findFact(name);
    },
    names: () => [
      ...factTable.keys(),
      ...(limits ?? []).flatMap((limit) => limitFacts.map(([prefix]) => `${prefix}${limit}`)),
    ],
  };
}

/** Whether a tag may have this name: 1 to 64 of letters, digits and `_.:/@-`, and no name that an object inherits. */
export function isTagName(name: string): boolean {
  return tagName.test(name) && !prototypeNames.has(name);
}

function isLimitName(name: string): boolean {
  return limitName.test(name) && !prototypeNames.has(name);
}

export interface FactDescription extends FactDefinition {
  name: string;
  /** Phases whose policies may name it. */
  phases: readonly PolicyPhase[];
}

/** Every fact with its type, unit, phases and meaning, for documentation. Families have `<name>` in theirs. */
export function describeFacts(): readonly FactDescription[] {
  const families: readonly [string, FactDefinition][] = [
    ['tags.<name>', tagFact],
    ...limitFacts.map(([prefix, fact]): [string, FactDefinition] => [`${prefix}<limit id>`, fact]),
  ];
  return [...factTable, ...families].map(([name, fact]) => ({
    name,
    ...fact,
    phases: phases.filter((phase) => isVisible(fact.phase, phase)),
  }));
}
