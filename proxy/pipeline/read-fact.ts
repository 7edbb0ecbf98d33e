import type { FactValue } from '../../storage/schema/decision.ts';

/** Value of a fact by its name; undefined or null where the run has none. */
export type ReadFact = (name: string) => FactValue | undefined;

/** Asks one reader after the other, until one has a value. */
export function firstOf(...readers: readonly ReadFact[]): ReadFact {
  return (name) => {
    for (const read of readers) {
      const value = read(name);
      if (value !== undefined && value !== null) return value;
    }
    return undefined;
  };
}
