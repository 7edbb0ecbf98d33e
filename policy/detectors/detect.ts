import type { Detection, DetectorId, Span } from './detector.ts';
import { findJailbreaks, warmJailbreaks } from './heuristics/jailbreak.ts';
import { findPromptInjections, findTags, warmPromptInjections } from './heuristics/prompt-injection.ts';
import { findEmails } from './personal/email.ts';
import { findIbans } from './personal/iban.ts';
import { findIpAddresses } from './personal/ip-address.ts';
import { findNationalIds } from './personal/national-id.ts';
import { findPaymentCards } from './personal/payment-card.ts';
import { findPhones } from './personal/phone.ts';
import { markOf, redact } from './redact.ts';
import { mapFromRedacted } from './redacted-places.ts';
import { findAccessTokens, warmAccessTokens } from './secrets/access-tokens.ts';
import { findCloudKeys } from './secrets/cloud-keys.ts';
import { findPrivateKeys } from './secrets/private-keys.ts';
import { findProviderKeys } from './secrets/provider-keys.ts';
import { mergeSpans } from './spans.ts';
import { findDangerousArguments, warmDangerousArguments } from './tools/tools.ts';
import { buildView, type View } from './view.ts';

const finders: Readonly<Record<DetectorId, (view: View) => Span[]>> = {
  email: findEmails,
  phone: findPhones,
  payment_card: findPaymentCards,
  iban: findIbans,
  national_id: findNationalIds,
  ip_address: findIpAddresses,
  provider_key: findProviderKeys,
  cloud_key: findCloudKeys,
  access_token: findAccessTokens,
  private_key: findPrivateKeys,
  prompt_injection: findPromptInjections,
  jailbreak: findJailbreaks,
  dangerous_tools: findDangerousArguments,
};

const warmers: Partial<Record<DetectorId, () => Generator<void, void>>> = {
  provider_key: findProviderKeys.warm,
  cloud_key: findCloudKeys.warm,
  access_token: warmAccessTokens,
  prompt_injection: warmPromptInjections,
  jailbreak: warmJailbreaks,
  dangerous_tools: warmDangerousArguments,
};

/**
 * Compiles what detectors need, in steps of a few milliseconds, so that none of it is left to the first text: together they take some
 * hundred. Without it `detect` compiles what it needs when it needs it.
 */
export function* warmDetectors(ids: Iterable<DetectorId>): Generator<void, void> {
  for (const id of new Set(ids)) yield* warmers[id]?.() ?? [];
}

/** Fewest UTF-16 units that a finding has: shorter texts are passed over at once, of which bodies hold many. */
const fewestUnits: Readonly<Record<DetectorId, number>> = {
  email: 6,
  phone: 7,
  payment_card: 13,
  iban: 15,
  national_id: 7,
  ip_address: 4,
  provider_key: 16,
  cloud_key: 12,
  access_token: 8,
  private_key: 40,
  prompt_injection: 5,
  jailbreak: 5,
  dangerous_tools: 4,
};

/** How often a text is looked at again without what was found. Two times are enough for all but built cases. */
const mostRounds = 3;

/**
 * Runs detectors over a text. Findings come sorted by start, then by end, then by id; those of one detector that overlap are one. An id twice
 * counts once. A detector sees only the text: same text, same findings, in every process and version of Node.
 *
 * A text that holds findings is looked at again as it stands redacted, at most three times: what stood so tight against a finding
 * that it seemed a part of it is found then. Work is linear in the text, about 1.1 ms for 4 KiB with all detectors; on texts made for it
 * a detector takes about 1 us a UTF-16 unit at most.
 * `dangerous_tools` looks for dangerous arguments here; names are the business of `detectTools`.
 */
export function detect(text: string, ids: readonly DetectorId[]): Detection[] {
  const fitting = ids.filter((id, place) => text.length >= fewestUnits[id] && ids.indexOf(id) === place);
  if (fitting.length === 0) return [];
  const view = buildView(text);
  const found = fitting.flatMap((detector) => runDetector(view, detector));
  return found.sort((a, b) => a.start - b.start || a.end - b.end || (a.detector < b.detector ? -1 : 1));
}

function runDetector(view: View, detector: DetectorId): Detection[] {
  let found = findOnce(view, detector);
  for (let round = 0, more = found; more.length > 0 && round < mostRounds; round += 1) {
    const clean = redact(view.original, named(found, detector));
    more = findOnce(buildView(clean), detector).map(mapFromRedacted(found, markOf(detector).length));
    found = mergeSpans([...found, ...more]);
  }
  return named(found, detector);
}

function named(spans: readonly Span[], detector: DetectorId): Detection[] {
  return spans.map(({ start, end }) => ({ detector, start, end }));
}

function findOnce(view: View, detector: DetectorId): Span[] {
  const spans = finders[detector](view).map((span) => view.toOriginal(span));
  const hidden = detector === 'prompt_injection' ? findTags(view.original) : [];
  return mergeSpans([...spans, ...hidden]);
}
