import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import type { Expression, ItemName } from './expression.ts';
import type { FactSource } from './facts.ts';
import type { Kind } from './kinds.ts';
import { type Measure, maxMadeCharacters, maxMadeItems, measure } from './measure.ts';

/** One thing that is wrong with a condition: its place below `when`, and a sentence. */
export interface Fault {
  path: string;
  message: string;
}

/** What one check gathers on its way through a condition. */
export interface Walk {
  phase: PolicyPhase;
  facts: FactSource;
  nodes: number;
  faults: Fault[];
  measures: Map<Expression, Measure>;
  /** Where each part stands below `when`. */
  paths: Map<Expression, string>;
}

/** Where the walk stands: the path, how deep, and which items of a list test can be read there (null: none, facts can). */
export interface Place {
  path: string;
  depth: number;
  items: ReadonlyMap<ItemName, Kind> | null;
}

/** Records what is wrong at a place. */
export function fault(walk: Walk, place: Place, message: string): null {
  walk.faults.push({ path: place.path, message });
  return null;
}

/** Takes an expression as checked unless what it makes may grow beyond bounds. */
export function accept(walk: Walk, place: Place, expression: Expression): Expression | null {
  const measured = measure(expression, (part) => walk.measures.get(part) ?? measureAgain(part, walk));
  if (measured.characters[1] > maxMadeCharacters) {
    return fault(walk, place, `what this makes may grow beyond ${maxMadeCharacters} characters`);
  }
  if (measured.items > maxMadeItems) return fault(walk, place, `the list may grow beyond ${maxMadeItems} items`);
  walk.measures.set(expression, measured);
  walk.paths.set(expression, place.path);
  return expression;
}

function measureAgain(part: Expression, walk: Walk): Measure {
  return measure(part, (inner) => walk.measures.get(inner) ?? measureAgain(inner, walk));
}
