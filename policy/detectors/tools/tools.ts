import type { Span } from '../detector.ts';
import { compilePhrases } from '../heuristics/phrases.ts';
import { mergeSpans } from '../spans.ts';
import { buildView, type View } from '../view.ts';
import { argumentRules } from './argument-rules.ts';
import { isDangerousName } from './tool-names.ts';

/** One finding in the calls of tools. */
export interface ToolDetection {
  /** Whether the name of a tool or its arguments were found dangerous. */
  where: 'name' | 'argument';
  /** Place in the list that was given. */
  index: number;
  /** Where in that text, in UTF-16 units; a name is found whole. */
  start: number;
  end: number;
}

const findRules = compilePhrases(argumentRules.map((rule) => rule.pattern));

/** Dangerous arguments in any text. Heuristic: what hides a command passes, and what quotes one is found. */
export function findDangerousArguments(view: View): Span[] {
  return findRules(view.text);
}

/** Compiles the rules of `findDangerousArguments`, step by step. */
export const warmDangerousArguments = findRules.warm;

/**
 * What is dangerous in calls of tools: names that run code or destroy, and arguments that destroy, steal or take over. Its
 * length is the fact `dangerous_tools`. Names and texts may stem from different calls. Linear in the texts.
 */
export function detectTools(names: readonly string[], argumentTexts: readonly string[]): ToolDetection[] {
  const named = names.flatMap((name, index) =>
    isDangerousName(name) ? [{ where: 'name' as const, index, start: 0, end: name.length }] : [],
  );
  return [...named, ...argumentTexts.flatMap((text, index) => detectArguments(text, index))];
}

function detectArguments(text: string, index: number): ToolDetection[] {
  const view = buildView(text);
  return mergeSpans(findDangerousArguments(view)).map((span) => ({
    where: 'argument',
    index,
    ...view.toOriginal(span),
  }));
}
