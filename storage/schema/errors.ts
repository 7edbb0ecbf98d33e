/**
 * The one catalogue of refusals and failures, for both planes.
 *
 * A refusal is what a caller of the proxy sees; a failure is what a person or a script sees on the console API and the
 * command line. `retry` says whether waiting can help: it decides between `Retry-After` and `x-should-retry: false`.
 */
export const refusalCatalogue = {
  request_invalid: { status: 400, retry: false },
  key_invalid: { status: 401, retry: false },
  scope_denied: { status: 403, retry: false },
  policy_denied: { status: 403, retry: false },
  hold_refused: { status: 403, retry: false },
  tenant_suspended: { status: 403, retry: false },
  provider_unknown: { status: 404, retry: false },
  limit_exceeded: { status: 429, retry: true },
  engine_down: { status: 503, retry: true },
  spool_full: { status: 503, retry: true },
  overloaded: { status: 503, retry: true },
} as const;

export type RefusalCode = keyof typeof refusalCatalogue;

export const failureCatalogue = {
  configuration_invalid: { status: 422 },
  input_invalid: { status: 400 },
  unauthenticated: { status: 401 },
  forbidden: { status: 403 },
  not_found: { status: 404 },
  conflict: { status: 409 },
  not_ready: { status: 503 },
  engine_unavailable: { status: 503 },
  upstream_failed: { status: 502 },
  upstream_refused_address: { status: 502 },
  internal: { status: 500 },
} as const;

export type FailureCode = keyof typeof failureCatalogue;

export type ErrorCode = RefusalCode | FailureCode;

/** One place in a caller's input that is wrong: where, what was found wrong, and what was expected instead. */
export interface Finding {
  /** File name as the caller gave it, or null for input that is not a file. */
  file: string | null;
  /** 1-based line in that file, or null when there is none. */
  line: number | null;
  /** Dotted path of the field, e.g. `tenants[0].keys[1].secretEnv`. */
  field: string;
  /** One sentence: what is wrong and what is expected. Never holds a secret. */
  message: string;
}

/** The only error type thrown across rooms. `publicMessage` may be shown to anyone; `cause` may not. */
export class HocError extends Error {
  readonly code: ErrorCode;
  readonly status: number;
  readonly publicMessage: string;
  readonly findings: readonly Finding[];

  constructor(input: { code: ErrorCode; publicMessage: string; cause?: unknown; findings?: readonly Finding[] }) {
    super(input.publicMessage, input.cause === undefined ? undefined : { cause: input.cause });
    this.name = 'HocError';
    this.code = input.code;
    this.status = { ...refusalCatalogue, ...failureCatalogue }[input.code].status;
    this.publicMessage = input.publicMessage;
    this.findings = input.findings ?? [];
  }
}
