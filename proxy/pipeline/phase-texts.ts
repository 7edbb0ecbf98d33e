import type { InspectionJob } from '../../policy/detectors/index.ts';
import type { PolicyPhase } from '../../storage/schema/snapshot.ts';
import type { TextExtra, TextSpot } from '../dialects/dialect.ts';

/** Contents of a phase by the names of their facts. Null: what the text is cannot be told. */
export type Contents = ReadonlyMap<string, string | null>;

/** What a phase brings to be looked through. */
export interface PhaseTexts {
  phase: PolicyPhase;
  /** What the names of detector counts start with, e.g. `detectors.`. */
  prefix: string;
  /** The texts that detectors look through one by one; null where the text cannot be told. */
  texts: readonly string[] | null;
  /** Texts without a place of their own, which say in other words what some of `texts` say. */
  extras: readonly TextExtra[];
  contents: Contents;
  /** Tools offered and called, with the arguments of the calls; null where that cannot be told. */
  tools: InspectionJob['tools'];
}

/** The texts of a request, as detectors and scans see them. */
export interface RequestTexts {
  /** Where each text lies in the plain body; null where the format has no reader, so that nothing can be replaced. */
  spots: readonly TextSpot[] | null;
  brought: PhaseTexts;
  /** The last message, by which a repeated prompt is known; null where it cannot be told. */
  prompt: string | null;
}
