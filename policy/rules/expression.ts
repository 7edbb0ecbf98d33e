import type { Kind } from './kinds.ts';
import type { ScanTestName } from './scans.ts';

export type LiteralValue = boolean | number | string | readonly string[] | readonly number[];

/** A condition after its check: typed, closed, bounded. Only the checker makes one. */
export type Expression = Kind &
  (
    | { kind: 'literal'; value: LiteralValue }
    | { kind: 'fact'; name: string; fallback: boolean | number | string | null }
    /** A test of a content fact; `name` is the derived fact that holds its result. */
    | { kind: 'scan'; name: string; fact: string; test: ScanTestName; pattern: string }
    /** Inside a list test: the item at hand (`""`, `current`) or what `reduce` has gathered so far. */
    | { kind: 'item'; name: ItemName }
    /** The names, of those given, that the run does not have; none where at least `enough` of them are there. */
    | { kind: 'missing'; names: readonly string[]; enough: number | null }
    | { kind: 'call'; operator: string; args: readonly Expression[] }
  );

export type ItemName = '' | 'current' | 'accumulator';
export type CallExpression = Extract<Expression, { kind: 'call' }>;
export type FactExpression = Extract<Expression, { kind: 'fact' }>;
export type ScanExpression = Extract<Expression, { kind: 'scan' }>;
export type LiteralExpression = Extract<Expression, { kind: 'literal' }>;

/**
 * Names of the facts without which the expression is open: those read without a default and outside `??`, in order of
 * appearance, derived facts included.
 */
export function listNeededFacts(expression: Expression): readonly string[] {
  const names = new Set<string>();
  collectNeeded(expression, names);
  return [...names];
}

function collectNeeded(expression: Expression, names: Set<string>): void {
  if (expression.kind === 'scan') names.add(expression.name);
  if (expression.kind === 'fact' && expression.fallback === null) names.add(expression.name);
  if (expression.kind === 'call' && expression.operator !== '??') {
    for (const arg of expression.args) collectNeeded(arg, names);
  }
}

/** Names of the facts whose values the expression reads, with a default or not. In order of appearance. */
export function listReadFacts(expression: Expression): readonly string[] {
  const names = new Set<string>();
  visit(expression, (part) => {
    if (part.kind === 'fact' || part.kind === 'scan') names.add(part.name);
  });
  return [...names];
}

/** Names of all facts that a context must hold for the expression: also scanned contents, and names that `missing` asks for. */
export function listFacts(expression: Expression): readonly string[] {
  const names = new Set<string>();
  visit(expression, (part) => {
    if (part.kind === 'fact') names.add(part.name);
    if (part.kind === 'scan') names.add(part.fact).add(part.name);
    if (part.kind === 'missing') for (const name of part.names) names.add(name);
  });
  return [...names];
}

/** The scans in an expression, in order of appearance. */
export function listScans(expression: Expression): readonly ScanExpression[] {
  const scans: ScanExpression[] = [];
  visit(expression, (part) => {
    if (part.kind === 'scan') scans.push(part);
  });
  return scans;
}

/** Calls `look` for an expression and every part of it, outermost first. */
export function visit(expression: Expression, look: (part: Expression) => void): void {
  look(expression);
  if (expression.kind === 'call') for (const arg of expression.args) visit(arg, look);
}
