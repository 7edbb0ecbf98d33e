import type { Decision, PolicyMatch } from '../../storage/schema/decision.ts';
import { type Verdict, verdictOrder } from '../../storage/schema/run.ts';

/**
 * The most restrictive verdict of the matches, with its owner and reason; of equal ones the first, so the matches come in the
 * order of their ids. A plain allow has owner null and reason "".
 */
export function conclude(matched: readonly PolicyMatch[]): Pick<Decision, 'verdict' | 'owner' | 'reason'> {
  let winner: PolicyMatch | null = null;
  for (const match of matched) if (winner === null || rank(match.verdict) < rank(winner.verdict)) winner = match;
  if (winner === null || winner.verdict === 'allow') return { verdict: 'allow', owner: null, reason: '' };
  return { verdict: winner.verdict, owner: `policy:${winner.policy}@${winner.version}`, reason: winner.reason };
}

function rank(verdict: Verdict): number {
  return verdictOrder.indexOf(verdict);
}
