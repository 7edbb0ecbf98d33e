import type { Write } from './code.ts';
import type { Expression } from './expression.ts';
import type { Kind } from './kinds.ts';

export type OperatorGroup = 'comparison' | 'logic' | 'arithmetic' | 'text' | 'list' | 'time';

export interface Operator {
  group: OperatorGroup;
  /** Fewest and most arguments. */
  arity: readonly [number, number];
  /** The kind of the result for arguments of these kinds, or null where the operator does not take them. */
  typing: (args: readonly Kind[]) => Kind | null;
  /** What it takes, in words, for a refusal. */
  takes: string;
  meaning: string;
  /** Code over arguments whose types were checked, so that no conversion is left to JavaScript. */
  write: Write;
  /** What is wrong with arguments that must be literals, or null. */
  literals?: (args: readonly Expression[]) => string | null;
}

export type OperatorRow = readonly [name: string, operator: Operator];

/** Most arguments of an operator that takes any number. */
export const mostArguments = 64;
