import { type DecisionRecord, type FailedChange, planChanges } from '../../policy/rules/index.ts';
import { editTexts } from '../dialects/json-edits.ts';
import { type CompleteAnswer, readAnswerFacts } from './answer-facts.ts';
import { type AnswerContent, describeText, readAnswer } from './answer-texts.ts';
import { redactSpots, unplacedReason } from './change-request.ts';
import { type InspectedTexts, inspectPhase, namesTexts } from './inspect.ts';
import type { Intended } from './intent.ts';
import { firstOf, type ReadFact } from './read-fact.ts';
import { enterDecision, refuseByDecision, rule } from './rule.ts';
import type { Refusal, Run } from './run.ts';

/** What an answer comes to. `replaced` is the decoded body with its findings taken out; null where it passes as it came. */
export type AnswerVerdict = { refusal: Refusal } | { refusal: null; replaced: Uint8Array | null };

/** An answer at its end. */
export interface EndedAnswer extends Omit<CompleteAnswer, 'tools'> {
  /** The decoded body of a whole answer; null where it is too large or cannot be decoded. */
  body: Uint8Array | null;
  /** The text of a streamed one, with its tools; null where not all of it is known. */
  streamed: { text: string | null; tools: readonly string[] } | null;
}

/**
 * The policies of the response phase on one answer, once it is complete. A whole one has not left yet: it is refused, or its
 * findings are taken out of it. Of a streamed one only its end has not left: it can be cut there, and nothing taken out.
 */
export async function ruleOnAnswer(run: Run, permit: Intended, answer: EndedAnswer): Promise<AnswerVerdict> {
  const { policies } = permit.identified.tenant;
  const content = answer.streamed
    ? describeText(answer.streamed.text, answer.streamed.tools)
    : readAnswer(permit.request, answer.body);
  const { texts, extras, contents, tools } = content;
  const argumentText = contents.get('answer.tool_arguments') ?? null;
  const calls = tools === null ? null : { names: tools, argumentTexts: argumentText === null ? [] : [argumentText] };
  const brought = { phase: 'response', prefix: 'answer.detectors.', texts, extras, contents, tools: calls } as const;
  const inspected = namesTexts(policies, 'response') ? await inspectPhase(run, policies, brought) : null;
  const read = joinFacts(run, { answer, content, inspected });
  const { record, replaced } = settle(run, permit, { answer, content, inspected, read });
  enterDecision(run, record);
  const refusal = refuseByDecision(record.decision);
  if (refusal !== null) return { refusal };
  if (replaced !== null) run.marks.add('modified');
  return { refusal: null, replaced };
}

interface Looked {
  answer: EndedAnswer;
  content: AnswerContent;
  inspected: InspectedTexts | null;
}

function joinFacts(run: Run, { answer, content, inspected }: Looked): ReadFact {
  const { tools, contents } = content;
  return firstOf(
    run.readFact,
    readAnswerFacts(run, { ...answer, tools }),
    (name) => inspected?.read(name),
    (name) => contents.get(name),
  );
}

/** Decides, tries what is to be taken out, and decides again where it could not be. */
function settle(
  run: Run,
  { identified, asked }: Intended,
  looked: Looked & { read: ReadFact },
): { record: DecisionRecord; replaced: Uint8Array | null } {
  const atMs = run.gate.clock.nowMs();
  let failed: readonly FailedChange[] = [];
  for (;;) {
    const record = rule(run, { identified, request: asked, phase: 'response', atMs, read: looked.read, failed });
    const { redact: detectors } = planChanges(identified.tenant.policies, record.decision).changes;
    if (detectors === undefined) return { record, replaced: null };
    const result = takeOut(looked, detectors);
    if (typeof result !== 'string') return { record, replaced: result };
    failed = [...failed, { change: 'redact', why: result }];
  }
}

/** The body without the findings of these detectors, null where there are none, or why that cannot be. */
function takeOut({ answer, content, inspected }: Looked, detectors: readonly string[]): Uint8Array | null | string {
  if (answer.streamed !== null) return 'the answer was streamed and has left';
  const { spots, repeats } = content;
  const found = inspected?.found ?? null;
  if (detectors.some((id) => inspected?.unplaced.has(id))) return unplacedReason;
  if (answer.body === null || spots === null || found === null) return 'the texts of this answer cannot be read';
  const replaced = redactSpots(spots, found, detectors);
  if (replaced.length === 0) return null;
  return editTexts(answer.body, [...replaced, ...repeats.map((place) => ({ ...place, text: null }))]);
}
