import type { KeyHasher } from '../../policy/access/index.ts';
import type { Inspection, InspectionJob } from '../../policy/detectors/index.ts';
import type { LocalShare } from '../../policy/limits/index.ts';
import type { HocError } from '../../storage/schema/errors.ts';
import type { Frame } from '../../storage/schema/record.ts';
import type { ReserveReply, ReserveRequest, SettleRequest } from '../../storage/schema/reservation.ts';
import type { RunMark, RunStatus, Stage, Verdict } from '../../storage/schema/run.ts';
import type { ProviderEntry } from '../../storage/schema/snapshot.ts';
import type { LateEnds } from './late-ends.ts';
import type { OpenReservations } from './open-reservations.ts';
import type { CompiledSnapshot } from './snapshot.ts';

/** Time, ids and randomness: owned here so that tests can hold them still. */
export interface ClockPort {
  /** Unix milliseconds. */
  nowMs(): number;
  /** Monotonic microseconds. */
  nowUs(): number;
}

export interface IdPort {
  /** UUIDv7. */
  runId(): string;
  /** 16 random bytes, lower-case hex. */
  salt(): string;
}

export interface ReservationPort {
  reserve(request: ReserveRequest): Promise<ReserveReply>;
  settle(requests: readonly SettleRequest[]): Promise<void>;
}

/** How often a session ran within the last hour, the run itself included. */
export interface SessionCounts {
  runs: number;
  runsLastMinute: number;
  /** Runs with the very prompt of this one. */
  samePrompt: number;
}

export interface SessionPort {
  /** Notes a run in its session. Null where Redis does not answer in time; never rejects. */
  note(run: {
    tenant: string;
    runId: string;
    sessionDigest: string;
    promptDigest: string;
  }): Promise<SessionCounts | null>;
}

/** Looks through long texts beside the event loop, tenants taking turns. Rejects where it cannot. */
export interface InspectorPort {
  inspect(tenant: string, job: InspectionJob): Promise<Inspection>;
}

/** The write side of the spool. `append` is synchronous, takes all frames or none, and throws HocError `spool_full`. */
export interface SpoolPort {
  readonly proxyId: string;
  readonly epoch: number;
  nextSeq(): number;
  append(...frames: Frame[]): void;
  /** What of a tenant's new run can be taken: all of it, its records without payloads, or nothing. */
  room(tenant: string): 'all' | 'metadata' | 'none';
}

export interface UpstreamRequest {
  provider: ProviderEntry;
  method: string;
  /** Path and query below the provider's base URL, verbatim. */
  path: string;
  /** Names and values alternating. */
  headers: string[];
  body: Buffer | null;
}

export interface UpstreamHead {
  status: number;
  statusText: string;
  /** Names and values alternating, as the provider sent them. */
  headers: string[];
}

/** What an exchange tells. Exactly one of `onEnd` and `onError` comes last; nothing comes after `abort`. */
export interface UpstreamListener {
  onHead(head: UpstreamHead): void;
  onData(chunk: Buffer): void;
  onEnd(): void;
  onError(error: HocError): void;
}

export interface UpstreamExchange {
  /** Whether any of the request was written to a connection: from then on the provider may charge for it. */
  readonly sent: boolean;
  pause(): void;
  resume(): void;
  abort(): void;
}

export interface UpstreamPort {
  send(request: UpstreamRequest, listener: UpstreamListener): UpstreamExchange;
}

/** Provider credentials that this node has been given, by vault id and version. */
export interface CredentialPort {
  find(id: string, version: number): string | null;
}

/** One policy that matched in a run, or was open. Names of policies come from the configuration. */
export interface PolicyUse {
  policy: string;
  phase: string;
  mode: 'enforce' | 'shadow';
  verdict: Verdict;
  /** Whether `on_error` and not the condition gave the verdict. */
  indeterminate: boolean;
}

/** What metrics need of a finished run. Labels are bounded: no caller text but model names that a price list knows. */
export interface RunSummary {
  tenant: string;
  provider: string;
  dialect: string;
  model: string;
  status: RunStatus;
  verdict: Verdict;
  refusalCode: string | null;
  inputTokens: number;
  outputTokens: number;
  costNanoUsd: bigint;
  latencyMs: number;
  ttftMs: number | null;
  count: number;
  degraded: boolean;
  marks: readonly RunMark[];
  /** Each policy once a phase. */
  policies: readonly PolicyUse[];
  /** Kinds of changes that policies asked for and that could not be made. */
  failedChanges: readonly string[];
  /** Microseconds spent in each stage, for stages that ran. */
  stageUs: readonly { stage: Stage; us: number }[];
}

/** Why a run under way was ended: a policy on its answer, a top-up that did not fit, a cap on it, or counters that did not answer. */
export type CutCause = 'policy' | 'limit' | 'cap' | 'duration' | 'gone' | 'redis' | 'spool' | 'unmeasured';

export interface TelemetryPort {
  runStarted(): void;
  runFinished(summary: RunSummary): void;
  limitUsed(tenant: string, limitId: string, ratio: number): void;
  /** A run was the first of its window to bring a limit's counter to the near mark. */
  limitNear(tenant: string, limitId: string): void;
  /** A run came to more than was reserved for it. */
  limitOverrun(tenant: string, limitId: string): void;
  /** A reservation of a run under way was raised or renewed. */
  limitToppedUp(result: ReserveReply['kind']): void;
  runCut(cause: CutCause): void;
  failed(what: string, error: unknown): void;
}

/** Everything the pipeline needs, joined in main.ts. */
export interface Gate {
  clock: ClockPort;
  ids: IdPort;
  hashKey: KeyHasher;
  snapshot(): CompiledSnapshot | null;
  /** Whether this proxy can take one more run; beyond that it says so instead of slowing all others. */
  hasRoom(): boolean;
  /** Whether the snapshot could not be confirmed for longer than the proxy's tolerance. */
  snapshotIsStale(): boolean;
  reservations: ReservationPort;
  sessions: SessionPort;
  inspector: InspectorPort;
  spool: SpoolPort;
  upstream: UpstreamPort;
  credentials: CredentialPort;
  telemetry: TelemetryPort;
  openReservations: OpenReservations;
  /** As `Marks.epochOf`. */
  counterEpoch: (tenant: string) => string;
  localShare: LocalShare;
  lateEnds: Pick<LateEnds, 'add'>;
  settler: {
    add(tenant: string, runId: string, items: readonly { key: string; amount: bigint }[]): void;
    /** Sends at once what waits to be settled. */
    flush(): void;
  };
  limits: {
    maxBodyBytes: number;
    maxCaptureBytes: number;
    /** Largest whole answer that is held back for the policies on it, decoded and as it came. */
    maxDecideBytes: number;
    reservationMs: number;
  };
}
