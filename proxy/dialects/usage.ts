import { noUsage, type Usage } from '../../storage/schema/run.ts';
import type { AnswerFacts, UsageFlaw } from './dialect.ts';

/** Usage as read from one report of a provider. */
export interface ReportedUsage {
  usage: Usage;
  reported: boolean;
  flaw: UsageFlaw | null;
}

/** The report of a provider that said nothing. */
export const silentUsage: ReportedUsage = { usage: noUsage, reported: false, flaw: null };

/** Facts of an answer that could not be read at all. `failed` is for the caller to set. */
export const silentAnswer: AnswerFacts = {
  usage: noUsage,
  usageReported: false,
  usageFlaw: null,
  model: null,
  finishReason: null,
  outputCharacters: 0,
  failed: false,
};

/**
 * Judges normalised figures: reported means that input or output tokens are known. `invalid` tells that a figure was
 * left out before because it was no count. Never throws.
 */
export function judgeUsage(usage: Usage, invalid: boolean): ReportedUsage {
  const reported = usage.input_tokens !== null || usage.output_tokens !== null;
  return { usage, reported, flaw: findFlaw(usage, { invalid, reported }) };
}

function findFlaw(usage: Usage, seen: { invalid: boolean; reported: boolean }): UsageFlaw | null {
  if (seen.invalid) return 'invalid';
  if (!seen.reported) return null;
  const { input_tokens: input, output_tokens: output } = usage;
  if (input === null || output === null) return 'partial';
  if (input === 0) return 'zero';
  const fromCache = (usage.cached_input_tokens ?? 0) + (usage.cache_write_tokens ?? 0);
  return fromCache > input || (usage.reasoning_tokens ?? 0) > output ? 'inconsistent' : null;
}
