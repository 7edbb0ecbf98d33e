import { hash } from 'node:crypto';
import type { DecisionContext, FactValue } from '../../storage/schema/decision.ts';
import { HocError } from '../../storage/schema/errors.ts';
import { type FactDefinition, findFact } from './facts.ts';

/** Longest text that a decision looks at, in UTF-16 units; what is longer is recorded by its digest only. */
const maxTextLength = 4_096;
const maxListItems = 1_024;
const maxListCharacters = 65_536;
/** Amounts beyond this stand as this: every threshold that fits an exact integer still falls on the right side. */
const maxAmount = 9e15;
const wholeNumber = /^-?\d{1,40}$/;
const sha256Form = /^[0-9a-f]{64}$/;
const loneSurrogate = /\p{Surrogate}/u;

export interface FreezeInput {
  phase: DecisionContext['phase'];
  /** The instant of the decision, Unix ms, read once by the caller. */
  atMs: number;
  /** `CompiledPolicies.factsNamed` of the phase. */
  names: readonly string[];
  /**
   * Value of a fact, undefined or null where the run has none. Amounts may come as decimal strings, contents as their text
   * or as its digest and length.
   */
  read: (fact: string) => FactValue | undefined;
  /** Whether contents, and texts too long for a decision, are bound by their digests: where the texts themselves are kept. True unless told. */
  digests?: boolean;
}

/** A value as it is frozen; `decidable` is false where the context holds only a digest of it. */
interface Frozen {
  value: FactValue;
  decidable: boolean;
}

/**
 * Freezes exactly the facts that the policies of a phase name, sorted, as the one thing that a decision and its replay see.
 *
 * Closed types, no floats: fractions are rounded up, amounts are held within 9e15. A fact that is absent or of the wrong type
 * stands as null and in `missing`. A text over 4,096 units or with lone surrogates, or a list over 1,024 items or 65,536
 * units, stands as `sha256:<hex>:<units>` (a list as one such item) and in `missing` too: no policy may be passed by
 * padding what it looks at, so its `on_error` decides. A content stands as its digest and length whatever it is. Without `digests` a content stands as its
 * length alone, and those long ones as `long:<units>`. Throws `internal` for a name outside the fact table.
 */
export function freezeContext(input: FreezeInput): DecisionContext {
  const facts: Record<string, FactValue> = {};
  const missing: string[] = [];
  for (const name of [...new Set(input.names)].sort()) {
    const definition = findFact(name);
    if (definition === undefined)
      throw new HocError({ code: 'internal', publicMessage: 'a fact outside the fact table' });
    const frozen = freezeFact(definition, input.read(name), input.digests ?? true);
    facts[name] = frozen?.value ?? null;
    if (frozen === null || !frozen.decidable) missing.push(name);
  }
  return { v: 1, phase: input.phase, at_ms: Math.trunc(input.atMs), facts, missing };
}

function freezeFact(definition: FactDefinition, value: FactValue | undefined, digests: boolean): Frozen | null {
  if (value === undefined || value === null) return null;
  switch (definition.type) {
    case 'boolean':
      return typeof value === 'boolean' ? { value, decidable: true } : null;
    case 'integer':
      return freezeInteger(value);
    case 'text':
      return typeof value === 'string' ? freezeText(value, digests) : null;
    case 'texts':
      return Array.isArray(value) ? freezeList(value, digests) : null;
    case 'content':
      return freezeContent(value, digests);
  }
}

function freezeContent(value: FactValue, digests: boolean): Frozen | null {
  if (typeof value === 'string') {
    const digest = digests ? hash('sha256', value, 'hex') : null;
    return { value: { digest, length: value.length }, decidable: true };
  }
  const { digest, length } = value as Readonly<Record<string, unknown>>;
  const isDigest = digest === null || (typeof digest === 'string' && sha256Form.test(digest));
  if (!isDigest || typeof length !== 'number' || !Number.isSafeInteger(length) || length < 0) return null;
  return { value: { digest, length }, decidable: true };
}

function freezeInteger(value: FactValue): Frozen | null {
  const isAmount = typeof value === 'number' || (typeof value === 'string' && wholeNumber.test(value));
  const amount = isAmount ? Math.ceil(Number(value)) : Number.NaN;
  if (Number.isNaN(amount)) return null;
  return { value: Math.min(Math.max(amount, -maxAmount), maxAmount), decidable: true };
}

function freezeText(text: string, digests: boolean): Frozen {
  if (isDecidable(text)) return { value: text, decidable: true };
  return { value: standIn(text, text.length, digests), decidable: false };
}

function freezeList(items: readonly unknown[], digests: boolean): Frozen | null {
  const texts = items.filter((item) => typeof item === 'string');
  if (texts.length !== items.length) return null;
  const units = texts.reduce((sum, text) => sum + text.length, 0);
  const fits = texts.length <= maxListItems && units <= maxListCharacters;
  if (fits && texts.every(isDecidable)) return { value: texts, decidable: true };
  return { value: [standIn(JSON.stringify(texts), units, digests)], decidable: false };
}

function isDecidable(text: string): boolean {
  return text.length <= maxTextLength && !loneSurrogate.test(text);
}

function standIn(text: string, units: number, digests: boolean): string {
  return digests ? `sha256:${hash('sha256', text, 'hex')}:${units}` : `long:${units}`;
}
