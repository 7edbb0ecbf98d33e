import { computeCost } from '../../policy/pricing/index.ts';
import type { FactValue } from '../../storage/schema/decision.ts';
import type { AnswerFacts } from '../dialects/dialect.ts';
import type { ReadFact } from './read-fact.ts';
import type { Run } from './run.ts';

/** An answer that is complete, as far as it says something of itself. */
export interface CompleteAnswer {
  status: number;
  facts: AnswerFacts;
  /** Null where the answer is not complete. */
  bytes: number | null;
  tools: readonly string[] | null;
  latencyMs: number;
}

/** Reads the facts of a whole answer, except those of its texts. What its provider did not tell is missing. */
export function readAnswerFacts(run: Run, answer: CompleteAnswer): ReadFact {
  const { facts } = answer;
  const readers: Readonly<Record<string, () => FactValue | undefined>> = {
    'answer.status': () => answer.status,
    'answer.model': () => facts.model,
    'answer.finish_reason': () => facts.finishReason,
    'answer.tools': () => answer.tools,
    'answer.input_tokens': () => facts.usage.input_tokens,
    'answer.output_tokens': () => facts.usage.output_tokens,
    'answer.cost_nano_usd': () => costOf(run, facts),
    'answer.bytes': () => answer.bytes,
    'answer.latency_ms': () => answer.latencyMs,
  };
  return (name) => (Object.hasOwn(readers, name) ? readers[name]?.() : undefined);
}

function costOf(run: Run, facts: AnswerFacts): string | undefined {
  const price = run.quote?.price ?? null;
  if (price === null || !facts.usageReported) return undefined;
  return computeCost(price, facts.usage)?.toString();
}
