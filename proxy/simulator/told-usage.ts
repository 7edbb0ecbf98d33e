import type { Answer } from './answer.ts';

/** Counts as an answer tells them; `output` is null where it keeps silent. */
export interface ToldUsage {
  input: number;
  cached: number;
  output: number | null;
  reasoning: number;
}

/** What an answer says that it used, of `output` tokens: the truth, or what it was asked to say instead. */
export function tellUsage(answer: Answer, output: number): ToldUsage {
  const { inputTokens: input, cachedTokens: cached, reasoningTokens: reasoning, usageFault: fault } = answer;
  if (fault === 'zero') return { input: 0, cached: 0, output: 0, reasoning: 0 };
  if (fault === 'negative') return { input: -input, cached: 0, output: -output, reasoning: 0 };
  return { input, cached, output: fault === 'partial' ? null : output, reasoning: Math.min(reasoning, output) };
}

/**
 * Output tokens that the event of a piece tells: so far (with `cumulative`), all (with `repeated`), or null for an event
 * that says nothing, as it should. `index` counts the pieces before it.
 */
export function tellAtPiece(answer: Answer, index: number): number | null {
  if (answer.usageFault === 'repeated') return answer.outputTokens;
  return answer.usageFault === 'cumulative' ? answer.reasoningTokens + (index + 1) * answer.choices : null;
}
