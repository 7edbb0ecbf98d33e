import { detect } from './detect.ts';
import type { DetectorId, Span } from './detector.ts';
import type { LabelledText } from './labelled.ts';
import { detectTools } from './tools/tools.ts';

/** Right, wrong and missed findings. `precision` and `recall` are shares, 1 where nothing was found or nothing was there. */
export interface Score {
  right: number;
  wrong: number;
  missed: number;
  precision: number;
  recall: number;
}

/** How one detector does on its labelled set. */
export interface DetectorScore {
  detector: DetectorId;
  positives: number;
  negatives: number;
  /** By text: whether anything was found where anything is, and nothing where nothing is. */
  byText: Score;
  /** By span: a finding is right where it overlaps a labelled span, a span is missed where no finding overlaps it. */
  bySpan: Score;
  /** Texts that were judged wrong, with what they are. */
  failures: readonly { text: string; note: string; kind: 'wrong' | 'missed' }[];
}

/** Measures every detector that has labelled texts, in the order in which the texts come. Pure. */
export function measureDetectors(sets: readonly LabelledText[]): DetectorScore[] {
  const ids = [...new Set(sets.map(({ detector }) => detector))];
  return ids.map((detector) =>
    measureOne(
      detector,
      sets.filter((text) => text.detector === detector),
    ),
  );
}

function measureOne(detector: DetectorId, texts: readonly LabelledText[]): DetectorScore {
  const judged = texts.map((labelled) => ({ labelled, found: findIn(labelled) }));
  const positives = texts.filter(({ spans }) => spans.length > 0).length;
  const failures = judged.flatMap(({ labelled, found }) => judge(labelled, found));
  const rightTexts = judged.filter(({ labelled, found }) => labelled.spans.length > 0 && found.length > 0).length;
  const wrongTexts = judged.filter(({ labelled, found }) => labelled.spans.length === 0 && found.length > 0).length;
  const findings = judged.flatMap(({ labelled, found }) => found.map((span) => overlapsAny(span, labelled.spans)));
  const caught = judged.flatMap(({ labelled, found }) => labelled.spans.map((span) => overlapsAny(span, found)));
  return {
    detector,
    positives,
    negatives: texts.length - positives,
    byText: score({ right: rightTexts, wrong: wrongTexts, missed: positives - rightTexts, caught: rightTexts }),
    bySpan: score({
      right: findings.filter(Boolean).length,
      wrong: findings.filter((right) => !right).length,
      missed: caught.filter((right) => !right).length,
      caught: caught.filter(Boolean).length,
    }),
    failures,
  };
}

function findIn({ detector, text, tool }: LabelledText): readonly Span[] {
  return tool ? detectTools([text], []) : detect(text, [detector]);
}

function judge(labelled: LabelledText, found: readonly Span[]): DetectorScore['failures'] {
  const { text, note, spans } = labelled;
  const wrong = found.some((span) => !overlapsAny(span, spans));
  const missed = spans.some((span) => !overlapsAny(span, found));
  return [
    ...(wrong ? [{ text, note, kind: 'wrong' as const }] : []),
    ...(missed ? [{ text, note, kind: 'missed' as const }] : []),
  ];
}

function overlapsAny(span: Span, others: readonly Span[]): boolean {
  return others.some((other) => other.start < span.end && span.start < other.end);
}

function score(counts: { right: number; wrong: number; missed: number; caught: number }): Score {
  const { right, wrong, missed, caught } = counts;
  return { right, wrong, missed, precision: share(right, wrong), recall: share(caught, missed) };
}

function share(good: number, bad: number): number {
  return good + bad === 0 ? 1 : good / (good + bad);
}
