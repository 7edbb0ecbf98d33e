import type { Decision } from '../../storage/schema/decision.ts';
import type { ExplainedFact, ExplainedPart, Explanation } from './explain.ts';
import type { LiteralValue } from './expression.ts';
import type { Truth } from './three-valued.ts';
import { describeValue } from './words.ts';

/**
 * The explanation of a decision as lines of plain text, parts indented below what they belong to. Values of facts are a
 * caller's: cut, quoted and well-formed, but otherwise as they came.
 */
export function renderExplanation(decision: Decision, explanations: readonly Explanation[]): string[] {
  const owner = decision.owner === null ? '' : ` by ${decision.owner}`;
  const lines = [`${decision.verdict}${owner}${decision.reason === '' ? '' : `: ${decision.reason}`}`];
  for (const { policy, version, change, detail, applied, why } of decision.modifications) {
    const fate = applied ? 'applied' : `not applied, ${why}`;
    lines.push(`${change} ${detail} of policy ${policy} v${version}: ${fate}`);
  }
  for (const explanation of explanations) lines.push(...renderPolicy(explanation));
  return lines;
}

const outcomes: Readonly<Record<Explanation['outcome'], string>> = {
  matched: 'its condition held',
  open: 'its condition could not be decided',
  unapplied: 'its condition held and its changes could not be made',
  not_matched: 'its condition did not hold',
  out_of_scope: 'its scope is not this run',
};

function renderPolicy({ policy, version, mode, outcome, verdict, isOwner, condition }: Explanation): string[] {
  const shadow = mode === 'shadow' ? ' in shadow' : '';
  const result = verdict === null ? '' : `, so it says ${verdict}${isOwner ? ' and owns the decision' : ''}`;
  const head = `policy ${policy} v${version}${shadow}: ${outcomes[outcome]}${result}`;
  return outcome === 'out_of_scope' ? [head] : [head, ...renderPart(condition, 1)];
}

function renderPart({ words, truth, facts, parts }: ExplainedPart, depth: number): string[] {
  const indent = '  '.repeat(depth);
  // A scan says the same by its name as the part that it is.
  const because = facts
    .filter(({ name, state }) => name !== words || state !== 'known')
    .map(renderFact)
    .join('; ');
  const line = `${indent}${nameTruth(truth)}: ${words}${because === '' ? '' : ` (${because})`}`;
  return [line, ...parts.flatMap((part) => renderPart(part, depth + 1))];
}

function nameTruth(truth: Truth): string {
  return truth === null ? 'open' : `${truth}`;
}

function renderFact({ name, state, value, unit }: ExplainedFact): string {
  if (state === 'missing') return `${name} is missing`;
  if (state === 'unreadable') return `${name} is too long or ill-formed to be decided on`;
  return `${name} is ${describeValue(value as LiteralValue, unit)}`;
}
