/** What a policy may name as `detectors.<id>`. */
export type DetectorId =
  | 'email'
  | 'phone'
  | 'payment_card'
  | 'iban'
  | 'national_id'
  | 'ip_address'
  | 'provider_key'
  | 'cloud_key'
  | 'access_token'
  | 'private_key'
  | 'prompt_injection'
  | 'jailbreak'
  | 'dangerous_tools';

/** One finding: where it lies in the text that was given, in UTF-16 units, end exclusive. Never splits a surrogate pair. */
export interface Detection {
  detector: DetectorId;
  start: number;
  end: number;
}

/** A span of the text that a detector looks at, before it is mapped to the text that was given. */
export interface Span {
  start: number;
  end: number;
}
