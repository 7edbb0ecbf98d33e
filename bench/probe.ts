import type { Contender, ContenderName } from './contenders/contender.ts';
import { requestHeaders } from './rounds.ts';
import type { Scenario } from './scenarios.ts';

/** Contenders that take part in a scenario, and why the others do not. */
export interface Probed {
  able: readonly Contender[];
  unable: Partial<Record<ContenderName, string>>;
}

/**
 * Sends one request of the scenario to each peer and leaves out those that cannot answer it: figures of a peer that
 * answers errors would flatter us. `hoc` is never left out; where it fails, the bench fails.
 */
export async function probeContenders(scenario: Scenario, contenders: readonly Contender[]): Promise<Probed> {
  const able: Contender[] = [];
  const unable: Probed['unable'] = {};
  for (const contender of contenders) {
    const why = contender.name === 'hoc' ? null : await probe(scenario, contender);
    if (why === null) able.push(contender);
    else unable[contender.name] = why;
  }
  return { able, unable };
}

async function probe(scenario: Scenario, contender: Contender): Promise<string | null> {
  const answer = await fetch(contender.url, {
    method: 'POST',
    headers: requestHeaders(contender),
    body: scenario.body,
  });
  const text = await answer.text();
  return answer.ok ? null : `answers ${answer.status}: ${text.slice(0, 200)}`;
}
