import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import type { CheckedPolicy } from './check-policies.ts';
import { listFacts, listScans } from './expression.ts';
import { findFact } from './facts.ts';
import type { Scan } from './scans.ts';
import { listScopeFacts } from './scope.ts';

/** What the policies of one document name, by phase. */
export type PhaseNames = Readonly<
  Record<PolicyPhase, { facts: readonly string[]; scans: readonly Scan[]; detectors: readonly string[] }>
>;

const detectorForm = /^(?:answer\.|stream\.)?detectors\.(.+)$/;

/** Gathers names policy by policy. */
export interface NameCollector {
  add(policy: CheckedPolicy): void;
  settle(): PhaseNames;
}

/**
 * Gathers what the policies of a document name. Facts go with the phase of the policy, whose context they are for; scans and
 * detectors with the phase that brings the text, because there they are run, once, for whoever asks later.
 */
export function openNames(): NameCollector {
  const found = {
    request: { facts: new Set<string>(), scans: new Map<string, Scan>(), detectors: new Set<string>() },
    admit: { facts: new Set<string>(), scans: new Map<string, Scan>(), detectors: new Set<string>() },
    response: { facts: new Set<string>(), scans: new Map<string, Scan>(), detectors: new Set<string>() },
    stream: { facts: new Set<string>(), scans: new Map<string, Scan>(), detectors: new Set<string>() },
  };
  const phaseOf = (fact: string): PolicyPhase => findFact(fact)?.phase ?? 'request';
  const add = ({ entry, expression }: CheckedPolicy): void => {
    for (const name of [...listFacts(expression), ...listScopeFacts(entry.scope)]) {
      found[entry.phase].facts.add(name);
      const [, detector] = detectorForm.exec(name) ?? [];
      if (detector !== undefined) found[phaseOf(name)].detectors.add(detector);
    }
    for (const { name, fact, test, pattern } of listScans(expression))
      found[phaseOf(fact)].scans.set(name, { name, fact, test, pattern });
    if (entry.then.action !== 'modify') return;
    for (const change of entry.then.changes)
      if (change.change === 'redact') for (const id of change.detectors) found[entry.phase].detectors.add(id);
  };
  const settle = ({ facts, scans, detectors }: (typeof found)['request']) => ({
    facts: [...facts].sort(),
    scans: [...scans.values()].sort((a, b) => (a.name < b.name ? -1 : 1)),
    detectors: [...detectors].sort(),
  });
  return {
    add,
    settle: () => ({
      request: settle(found.request),
      admit: settle(found.admit),
      response: settle(found.response),
      stream: settle(found.stream),
    }),
  };
}
