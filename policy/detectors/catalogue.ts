import type { DetectorId } from './detector.ts';
import { ibanCountries } from './personal/iban.ts';
import { nationalCountries } from './personal/national-id.ts';

/**
 * Names the rules and libraries that findings depend on; it enters each decision. The first part counts up with every change of a
 * rule, a list of words or a library that can change a finding.
 */
export const detectorVersion = 'hoc-detectors-2/re2js-2.10.0/libphonenumber-js-1.13.16/validator-13.15.35';

/** What a person who writes a policy should know of a detector. */
export interface DetectorDescription {
  id: DetectorId;
  title: string;
  kind: 'personal' | 'secret' | 'heuristic';
  /** Whether a finding may be acted on by itself: true where form or check digits decide, false for heuristics. */
  precise: boolean;
  method: string;
  /** ISO 3166-1 codes, where the detector knows some countries only. */
  countries?: readonly string[];
}

const catalogue: readonly DetectorDescription[] = [
  personal('email', 'E-mail addresses', 'local part and domain by RFC 5321, 5322 and 6531'),
  personal('phone', 'Phone numbers', 'libphonenumber; national forms beside a word for a phone only'),
  personal('payment_card', 'Payment card numbers', 'issuer prefix and length, groups, Luhn digit (ISO/IEC 7812)'),
  { ...personal('iban', 'IBANs', 'length and structure by country, mod 97-10 (ISO 13616)'), countries: ibanCountries },
  {
    ...personal(
      'national_id',
      'National ids',
      'form, check digits and dates; shared forms beside a word for the id only',
    ),
    countries: nationalCountries,
  },
  personal('ip_address', 'IP addresses', 'IPv4 and IPv6 text forms; no loopback, netmasks or versions'),
  secret('provider_key', 'Keys of model providers', 'prefix and length; without a prefix beside the provider only'),
  secret('cloud_key', 'Keys of clouds', 'prefix and length; without a prefix behind its name only'),
  secret(
    'access_token',
    'Access tokens',
    'prefix and length, JSON Web Tokens, bearer tokens, values drawn at random behind names',
  ),
  secret('private_key', 'Private keys', 'PEM, OpenSSH, OpenPGP, PuTTY, JWK, age, WireGuard, with their body'),
  heuristic('prompt_injection', 'Prompt injection', 'known phrases in fourteen languages, hidden tag characters'),
  heuristic('jailbreak', 'Jailbreaks', 'known phrases and personas in nine languages'),
  heuristic('dangerous_tools', 'Dangerous tools', 'names of tools and patterns in their arguments'),
];

/** Every detector, in the order of the catalogue. */
export const detectorIds: readonly DetectorId[] = catalogue.map(({ id }) => id);

/** Detectors of what is personal or secret: what a redacting capture takes out, whatever the policies name. */
export const sensitiveDetectors: readonly DetectorId[] = catalogue
  .filter(({ kind }) => kind !== 'heuristic')
  .map(({ id }) => id);

/** The catalogue of detectors. */
export function describeDetectors(): readonly DetectorDescription[] {
  return catalogue;
}

function personal(id: DetectorId, title: string, method: string): DetectorDescription {
  return { id, title, kind: 'personal', precise: true, method };
}

function secret(id: DetectorId, title: string, method: string): DetectorDescription {
  return { id, title, kind: 'secret', precise: true, method };
}

function heuristic(id: DetectorId, title: string, method: string): DetectorDescription {
  return { id, title, kind: 'heuristic', precise: false, method };
}
