import type { Span } from '../detector.ts';
import type { View } from '../view.ts';
import { jailbreakPhrases, personaPhrases } from './jailbreak-phrases.ts';
import { compilePhrases } from './phrases.ts';

const findPhrases = compilePhrases(jailbreakPhrases);
const findPersonas = compilePhrases(personaPhrases);

/** Attempts to talk a model out of its limits: known phrases and personas. Heuristic: what is rephrased passes. */
export function findJailbreaks(view: View): Span[] {
  return [...findPhrases(view.plain), ...findPersonas(view.text)];
}

/** Compiles the phrases of `findJailbreaks`, step by step. */
export function* warmJailbreaks(): Generator<void, void> {
  yield* findPhrases.warm();
  yield* findPersonas.warm();
}
