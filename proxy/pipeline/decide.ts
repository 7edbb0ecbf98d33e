import { type DecisionRecord, type FailedChange, phases, planChanges } from '../../policy/rules/index.ts';
import { changeRequest } from './change-request.ts';
import { type InspectedTexts, inspectPhase, namesTexts } from './inspect.ts';
import type { RequestTexts } from './phase-texts.ts';
import { firstOf, type ReadFact } from './read-fact.ts';
import { readKeptText, redactText } from './redaction.ts';
import { readRequestFacts } from './request-facts.ts';
import { readTexts } from './request-texts.ts';
import { enterDecision, refuseByDecision, rule } from './rule.ts';
import { closeStage, type Identified, type Read, type Refusal, type Run } from './run.ts';

/** What stage 3 lets go on. */
export interface Decided {
  /** As its policies changed it. */
  request: Read;
}

/**
 * Stage 3: request-phase policies over the frozen context, and the changes that they ask for.
 *
 * The context holds exactly the facts that this tenant's policies name, of the request as it came. Fails closed: a policy
 * that cannot be evaluated, or whose change cannot be made, is settled by its own `on_error`, and a fault of the engine
 * itself denies.
 */
export async function decide(run: Run, identified: Identified, request: Read): Promise<Decided | Refusal> {
  const texts = needsTexts(run, identified) ? readTexts(request) : null;
  const { policies } = identified.tenant;
  const looks = texts !== null && namesTexts(policies, 'request');
  const inspected = looks ? await inspectPhase(run, policies, texts.brought) : null;
  run.texts = texts;
  run.readFact = joinFacts({ run, identified, request }, texts, inspected);
  const { record, changed } = settle(run, { identified, request, texts, inspected });
  enterDecision(run, record);
  closeStage(run, 'decide', `${record.decision.verdict}:${record.decisionDigest}`);
  if (!changed.plain.equals(request.plain)) run.marks.add('modified');
  const refusal = refuseByDecision(record.decision);
  if (refusal !== null) return refusal;
  await redactRequest(run, identified, request);
  return { request: changed };
}

/** Makes what a redacting capture keeps of the request, as it came. */
async function redactRequest(run: Run, { tenant: { document } }: Identified, { plain }: Read): Promise<void> {
  if (document.capture !== 'redacted' || plain.length === 0) return;
  const kept = readKeptText(plain, run.gate.limits.maxCaptureBytes);
  if (kept !== null) run.redactedRequest = await redactText(run, kept);
}

/** Whether anything looks at the texts of the request: its own policies, or later ones at its prompt. */
function needsTexts(run: Run, { tenant: { policies } }: Identified): boolean {
  const asksForPrompt =
    run.session !== null && policies.factsNamed('admit').some((name) => name.startsWith('session.'));
  const namesContent = phases.some((phase) => policies.factsNamed(phase).some((name) => contentFacts.has(name)));
  return namesTexts(policies, 'request') || namesContent || asksForPrompt;
}

const contentFacts = new Set(['request.text', 'request.system_text', 'request.user_text']);

function joinFacts(
  source: { run: Run; identified: Identified; request: Read },
  texts: RequestTexts | null,
  inspected: InspectedTexts | null,
): ReadFact {
  const plain = readRequestFacts(source);
  if (texts === null) return plain;
  return firstOf(
    plain,
    (name) => inspected?.read(name),
    (name) => texts.brought.contents.get(name),
  );
}

/** Decides, tries what the policies want changed, and decides again on what could not be: each round names more of it. */
function settle(
  run: Run,
  asked: { identified: Identified; request: Read; texts: RequestTexts | null; inspected: InspectedTexts | null },
): { record: DecisionRecord; changed: Read } {
  const { identified, request, texts, inspected } = asked;
  const { policies } = identified.tenant;
  const read = run.readFact;
  let failed: readonly FailedChange[] = [];
  for (;;) {
    const record = rule(run, { identified, request, phase: 'request', atMs: run.startedAtMs, read, failed });
    const { changes } = planChanges(policies, record.decision);
    if (Object.keys(changes).length === 0) return { record, changed: request };
    const result = changeRequest(identified, request, { changes, texts, found: inspected });
    if (result.failed.length === 0) return { record, changed: result.request };
    failed = [...failed, ...result.failed];
  }
}
