import {
  type ErrorCode,
  type Finding,
  failureCatalogue,
  HocError,
  refusalCatalogue,
} from '../../storage/schema/errors.ts';
import type { RunRow } from '../../storage/schema/run.ts';
import type {
  AcceptedGap,
  AcknowledgedFinding,
  ApplyRequest,
  ApplyResult,
  CreatedKey,
  CreateKeyRequest,
  DoctorFinding,
  KeySummary,
  RunsPage,
  RunsQuery,
  ShownRun,
  TenantSummary,
} from './api.ts';
import type { ExplainedRun, SecondOpinionPage, SecondOpinionQuery } from './decisions.ts';

interface Call {
  method: 'GET' | 'POST';
  path: string;
  query?: Readonly<Record<string, string | number | undefined>>;
  body?: unknown;
}

const knownCodes: readonly string[] = [...Object.keys(failureCatalogue), ...Object.keys(refusalCatalogue)];

function isErrorCode(code: unknown): code is ErrorCode {
  return typeof code === 'string' && knownCodes.includes(code);
}

/**
 * The typed client of `/api/v1`, over fetch. Every method throws HocError: control's own code, message and findings, or
 * `engine_unavailable` where control does not answer. The token never enters an error.
 */
export class ControlClient {
  readonly #origin: string;
  readonly #token: string;

  /** `url` is the console's address, e.g. `http://127.0.0.1:8080`. */
  constructor(input: { url: string; token: string }) {
    this.#origin = input.url.replace(/\/+$/, '');
    this.#token = input.token;
  }

  /** Applies a configuration file; with `dry_run`, only tells what would change. */
  apply(request: ApplyRequest): Promise<ApplyResult> {
    return this.#json({ method: 'POST', path: '/api/v1/apply', body: request });
  }

  /** Creates a key. Its secret is in this answer and nowhere else, ever. */
  createKey(request: CreateKeyRequest): Promise<CreatedKey> {
    return this.#json({ method: 'POST', path: '/api/v1/keys', body: request });
  }

  /** Keys of one tenant, or of all. */
  async listKeys(tenant?: string): Promise<readonly KeySummary[]> {
    const answer = await this.#json<{ keys: KeySummary[] }>({ method: 'GET', path: '/api/v1/keys', query: { tenant } });
    return answer.keys;
  }

  /** Revokes a key by its public id; revoking it again changes nothing. */
  revokeKey(id: string): Promise<KeySummary> {
    return this.#json({ method: 'POST', path: `/api/v1/keys/${encodeURIComponent(id)}/revoke` });
  }

  /** Lets rebuilds of counters go on without the records of a proxy's spool. Throws `not_found`, or `conflict`. */
  acceptGap(proxy: string): Promise<AcceptedGap> {
    return this.#json({ method: 'POST', path: '/api/v1/limits/accept-gap', body: { proxy } });
  }

  /** A page of runs, newest first. */
  listRuns(query: RunsQuery = {}): Promise<RunsPage<RunRow>> {
    return this.#json({ method: 'GET', path: '/api/v1/runs', query });
  }

  /** One run with its decision and events; throws `not_found`. */
  showRun(id: string): Promise<ShownRun> {
    return this.#json({ method: 'GET', path: `/api/v1/runs/${encodeURIComponent(id)}` });
  }

  /** Why a run was decided as it was; throws `not_found`. */
  explainRun(id: string): Promise<ExplainedRun> {
    return this.#json({ method: 'GET', path: `/api/v1/runs/${encodeURIComponent(id)}/explanation` });
  }

  /** A page of recorded runs, newest first, judged once more by json-logic-js and by the engine itself. */
  askSecondOpinion(query: SecondOpinionQuery): Promise<SecondOpinionPage> {
    return this.#json({ method: 'GET', path: '/api/v1/policies/second-opinion', query });
  }

  /** All runs of all time as JSON lines, in chunks of bytes as they arrive; ends with an error where the stream is cut. */
  async *exportRuns(): AsyncGenerator<Uint8Array, void> {
    const response = await this.#send({ method: 'GET', path: '/api/v1/runs/export', query: { format: 'jsonl' } });
    if (response.body === null) return;
    try {
      for await (const chunk of response.body) yield chunk;
    } catch (cause) {
      throw new HocError({ code: 'engine_unavailable', publicMessage: 'The export was cut off before its end', cause });
    }
  }

  /** Tenants in any state. */
  async listTenants(): Promise<readonly TenantSummary[]> {
    const answer = await this.#json<{ tenants: TenantSummary[] }>({ method: 'GET', path: '/api/v1/tenants' });
    return answer.tenants;
  }

  /** What control finds wrong with the installation, and what it found right. */
  async examine(): Promise<readonly DoctorFinding[]> {
    const answer = await this.#json<{ findings: DoctorFinding[] }>({ method: 'GET', path: '/api/v1/doctor' });
    return answer.findings;
  }

  /** Puts on record that damage was seen and dealt with; throws `not_found` where none of that name stands. */
  acknowledge(finding: string, reason: string): Promise<AcknowledgedFinding> {
    return this.#json({ method: 'POST', path: '/api/v1/doctor/acknowledge', body: { finding, reason } });
  }

  /** The JSON Schema of the configuration file. */
  configurationSchema(): Promise<unknown> {
    return this.#json({ method: 'GET', path: '/api/v1/configuration-schema' });
  }

  async #json<T>(call: Call): Promise<T> {
    const response = await this.#send(call);
    return (await response.json()) as T;
  }

  async #send(call: Call): Promise<Response> {
    const url = new URL(this.#origin + call.path);
    for (const [name, value] of Object.entries(call.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { authorization: `Bearer ${this.#token}`, accept: 'application/json' };
    const init: RequestInit = { method: call.method, headers, redirect: 'error' };
    if (call.body !== undefined) {
      headers['content-type'] = 'application/json';
      init.body = JSON.stringify(call.body);
    }
    const response = await fetch(url, init).catch((cause: unknown) => {
      throw new HocError({
        code: 'engine_unavailable',
        publicMessage: `Control does not answer at ${this.#origin}`,
        cause,
      });
    });
    if (!response.ok) throw await readProblem(response);
    return response;
  }
}

async function readProblem(response: Response): Promise<HocError> {
  const problem = (await response.json().catch(() => ({}))) as { code?: unknown; detail?: unknown; findings?: unknown };
  return new HocError({
    code: isErrorCode(problem.code) ? problem.code : 'internal',
    publicMessage:
      typeof problem.detail === 'string' ? problem.detail : `Control answered with status ${response.status}`,
    findings: Array.isArray(problem.findings) ? (problem.findings as Finding[]) : [],
  });
}
