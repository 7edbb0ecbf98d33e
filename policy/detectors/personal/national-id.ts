import { hasContext } from '../context.ts';
import type { Span } from '../detector.ts';
import { findShapes, makeShapes, type Shaped } from '../shapes.ts';
import type { View } from '../view.ts';
import { type NationalKind, nationalKinds } from './national-kinds.ts';

const byShape = new Map<string, { kind: NationalKind; needsWord: boolean }[]>();
for (const kind of nationalKinds) {
  for (const shape of kind.alone) addShape(shape, kind, false);
  for (const shape of kind.beside) addShape(shape, kind, true);
}
const shapes = makeShapes([...byShape.keys()]);

function addShape(shape: string, kind: NationalKind, needsWord: boolean): void {
  byShape.set(shape, [...(byShape.get(shape) ?? []), { kind, needsWord }]);
}

/** Countries whose ids are known, ISO 3166-1, in alphabetical order. */
export const nationalCountries: readonly string[] = [...new Set(nationalKinds.map((kind) => kind.country))].sort();

/**
 * Ids that states give to people: the forms and check digits of `nationalKinds`. A form that other numbers share counts beside
 * a word for the id only.
 */
export function findNationalIds(view: View): Span[] {
  return findShapes(view, shapes).filter((found) => isNationalId(view, found));
}

function isNationalId(view: View, found: Shaped): boolean {
  const id = found.letters.toUpperCase();
  return (byShape.get(found.shape) ?? []).some(
    ({ kind, needsWord }) => kind.check(id) && (!needsWord || hasContext(view, found, kind.words)),
  );
}
