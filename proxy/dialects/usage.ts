import { noUsage, type Usage } from '../../storage/schema/run.ts';
import type { AnswerFacts, UsageFlaw } from './dialect.ts';

/** Usage as read from one report of a provider. */
export interface ReportedUsage {
  usage: Usage;
  reported: boolean;
  flaw: UsageFlaw | null;
  /** Whether a running total was smaller than one before it. */
  fell: boolean;
}

/** The report of a provider that said nothing. */
export const silentUsage: ReportedUsage = { usage: noUsage, reported: false, flaw: null, fell: false };

/** Facts of an answer that could not be read at all. `failed` is for the caller to set. */
export const silentAnswer: AnswerFacts = {
  usage: noUsage,
  usageReported: false,
  usageFlaw: null,
  model: null,
  finishReason: null,
  outputCharacters: 0,
  outputBoundTokens: 0,
  failed: false,
};

type MediaUsage = Omit<
  Usage,
  'input_tokens' | 'output_tokens' | 'cached_input_tokens' | 'cache_write_tokens' | 'reasoning_tokens'
>;

/** The audio and image figures that are more than 0; the others are left out, so that a record of text has none. */
export function keepMedia(figures: MediaUsage): MediaUsage {
  return Object.fromEntries(Object.entries(figures).filter(([, figure]) => (figure ?? 0) > 0));
}

/**
 * Judges normalised figures: reported means that input or output tokens are known. `invalid` tells that a figure was
 * left out before because it was no count, `fell` that a running total was smaller than before. Never throws.
 */
export function judgeUsage(usage: Usage, seen: { invalid: boolean; fell: boolean }): ReportedUsage {
  const reported = usage.input_tokens !== null || usage.output_tokens !== null;
  const flaw = findFlaw(usage, { ...seen, reported });
  return { usage, reported, flaw, fell: seen.fell };
}

/**
 * Takes one more report of a stream. Reports are running totals and are never added up: of each figure the largest
 * stands, and one that falls is a flaw, for it would make what was used cheaper. A report of nothing changes nothing.
 */
export function mergeReports(earlier: ReportedUsage, later: ReportedUsage): ReportedUsage {
  if (!later.reported && later.flaw === null) return earlier;
  const merged = { ...earlier.usage };
  let fell = false;
  for (const name of Object.keys({ ...earlier.usage, ...later.usage }) as (keyof Usage)[]) {
    const before = earlier.usage[name] ?? null;
    const now = later.usage[name] ?? null;
    if (before !== null && now !== null && now < before) fell = true;
    else if (now !== null) merged[name] = now;
  }
  const invalid = earlier.flaw === 'invalid' || later.flaw === 'invalid';
  return judgeUsage(merged, { invalid, fell: fell || earlier.fell });
}

function findFlaw(usage: Usage, seen: { invalid: boolean; fell: boolean; reported: boolean }): UsageFlaw | null {
  if (seen.invalid) return 'invalid';
  if (!seen.reported) return null;
  if (seen.fell) return 'inconsistent';
  const { input_tokens: input, output_tokens: output } = usage;
  if (input === null || output === null) return 'partial';
  if (input === 0) return 'zero';
  const fromCache = (usage.cached_input_tokens ?? 0) + (usage.cache_write_tokens ?? 0);
  const heard = (usage.input_audio_tokens ?? 0) + (usage.input_image_tokens ?? 0);
  const spoken = (usage.output_audio_tokens ?? 0) + (usage.output_image_tokens ?? 0);
  const overInput = fromCache > input || heard > input || (usage.cached_audio_tokens ?? 0) > fromCache;
  return overInput || (usage.reasoning_tokens ?? 0) + spoken > output ? 'inconsistent' : null;
}
