import type { ReservationPlan } from '../../policy/limits/index.ts';
import type { DecisionRecord } from '../../policy/rules/index.ts';
import type { RefusalCode } from '../../storage/schema/errors.ts';
import type { Commitments, OpenValues } from '../../storage/schema/record.ts';
import type { Reading, ReservationItem } from '../../storage/schema/reservation.ts';
import type { Actor, LimitCharge, RunEvent, RunMark, Stage } from '../../storage/schema/run.ts';
import type { KeyEntry, ModelPrice, ProviderEntry } from '../../storage/schema/snapshot.ts';
import type { Dialect, RequestFacts, RouteShape } from '../dialects/dialect.ts';
import type { InboundCall } from './call.ts';
import type { CallerHeaders } from './headers.ts';
import type { RequestTexts } from './phase-texts.ts';
import type { Gate } from './ports.ts';
import type { ReadFact } from './read-fact.ts';
import type { CompiledTenant } from './snapshot.ts';

/** Who calls, on what terms, and where to: the permit of every later stage. */
export interface Identified {
  tenant: CompiledTenant;
  key: KeyEntry;
  provider: ProviderEntry;
  route: RouteShape;
  /** Path and query below the provider's base URL; a HOC key in the query is taken out. */
  upstreamPath: string;
  headers: CallerHeaders;
  /** Lower-case names of the headers that held the HOC key and must not pass upstream. */
  keyPlaces: readonly string[];
}

/** The request as the dialect reads it. */
export interface Read {
  dialect: Dialect;
  facts: RequestFacts;
  /** Body verbatim. */
  body: Buffer;
  /** The body without its content encoding. */
  plain: Buffer;
  /** What goes to the provider: the body verbatim unless it was changed. */
  outgoing: Buffer;
  /** Whether `outgoing` has lost the content encoding that the caller named. */
  outgoingIsPlain: boolean;
  /** The body as JSON, or undefined where it is none. */
  parsed: unknown;
}

/** What the run may cost at most. */
export interface PriceQuote {
  price: ModelPrice | null;
  /** Bound of the input. */
  inputTokens: number;
  /** Bound of the output, of all answers asked for together; null where none is known. */
  outputTokens: number | null;
  /** Whether output may be paid for that the answer does not show. */
  hidesOutput: boolean;
  worstCaseNanoUsd: bigint | null;
  /** Why there is no bound; null where there is one. */
  unboundedReason: 'unpriced' | 'unbounded' | null;
}

/** What a run takes of its limits while it is under way. */
export interface Reserved {
  plan: ReservationPlan;
  /** The plan's items, raised by what was topped up. */
  items: readonly ReservationItem[];
  /** Of the newest call, in the plan's order, `near` also from earlier ones; empty where nobody answered. */
  readings: readonly Reading[];
  /** Whether the counters hold it, so that it has to be settled there: not where Redis was away or refused. */
  held: boolean;
  /** Since when the counters count each item, Unix ms by Redis, in the plan's order; empty where they do not hold it. */
  sinceMs: readonly number[];
  /** The limit that refused the run before the wire. */
  refusedBy: LimitCharge | null;
}

/** When a run was let through without counters, Unix ms, and the counter epoch that knows nothing of it (`Marks.epochOf`). */
export interface Uncounted {
  atMs: number;
  epoch: string;
}

/** Commitments made before the wire, repeated in `finish`, and the values they commit to. */
export interface Sealed {
  commitments: Commitments;
  open: OpenValues;
}

/** Who a refused caller seems to be, for its record. */
export interface Suspect {
  tenant: CompiledTenant;
  key: KeyEntry;
  /** Slug of a provider that the tenant has, or null. */
  provider: string | null;
}

/** One run on its way through the pipeline, with what is known of it so far. */
export interface Run {
  readonly gate: Gate;
  readonly id: string;
  readonly call: InboundCall;
  readonly startedAtMs: number;
  readonly startedUs: number;
  lastUs: number;
  readonly events: RunEvent[];
  readonly stageUs: { stage: Stage; us: number }[];
  readonly marks: Set<RunMark>;
  actor: Actor | null;
  session: string | null;
  tags: Record<string, string>;
  identified: Identified | null;
  /** Known even where the run is refused before it is identified. */
  suspect: Suspect | null;
  read: Read | null;
  /** The texts of the request as it came, where anything looks at them. */
  texts: RequestTexts | null;
  /** The facts that are known so far. */
  readFact: ReadFact;
  /** What the policies of each phase came to, in order. */
  decisions: readonly DecisionRecord[];
  /** The run's own decision: of its phases the most restrictive, and of equal ones the first; or a limit's. */
  decided: DecisionRecord | null;
  quote: PriceQuote | null;
  reserved: Reserved | null;
  /** Null for a run that the counters were asked about. */
  uncounted: Uncounted | null;
  /** What the spool says that it comes to if its proxy dies; null before its intent. */
  bounded: readonly LimitCharge[] | null;
  /** The top-up or renewal under way. */
  raising: Promise<unknown> | null;
  sealed: Sealed | null;
  /** The request's text for a redacting capture; null where there is none to be kept. */
  redactedRequest: Buffer | null;
  /** Whether the bodies of this run are kept: not where the tenant does not want it or the spool is filling up. */
  keepsPayloads: boolean;
  /** Whether Redis was asked to reserve for the run and did not say whether it has. */
  mayBeGranted: boolean;
  /** Whether the run has been handed to be settled: what is granted from then on is not its own any more. */
  settled: boolean;
  /** Whether the run has ended and waits for its end to be put on record. */
  endsLate: boolean;
}

/** A stage's refusal: the run goes straight to `finish`. `owner` as in `decided_by`. */
export interface Refusal {
  kind: 'refusal';
  code: RefusalCode;
  message: string;
  owner: string | null;
  retryAfterMs: number | null;
}

/** Opens a run. From here on it ends with exactly one finish record. */
export function openRun(gate: Gate, call: InboundCall): Run {
  const startedUs = gate.clock.nowUs();
  return {
    gate,
    id: gate.ids.runId(),
    call,
    startedAtMs: gate.clock.nowMs(),
    startedUs,
    lastUs: startedUs,
    events: [],
    stageUs: [],
    marks: new Set(),
    actor: null,
    session: null,
    tags: {},
    identified: null,
    suspect: null,
    read: null,
    texts: null,
    readFact: () => undefined,
    decisions: [],
    decided: null,
    quote: null,
    reserved: null,
    uncounted: null,
    bounded: null,
    raising: null,
    sealed: null,
    redactedRequest: null,
    keepsPayloads: false,
    mayBeGranted: false,
    settled: false,
    endsLate: false,
  };
}

/** Whether the counters hold something for the run, may, or will once they are back: then its record says what it comes to. */
export function mayBeHeld(run: Run): boolean {
  return run.mayBeGranted || run.uncounted !== null || run.reserved?.held === true;
}

/** Closes a stage with its one event. `detail` is a closed word, never caller text. */
export function closeStage(run: Run, stage: Stage, detail = 'ok'): void {
  const nowUs = run.gate.clock.nowUs();
  run.events.push({ stage, at_us: Math.max(0, Math.round(nowUs - run.startedUs)), detail });
  run.stageUs.push({ stage, us: nowUs - run.lastUs });
  run.lastUs = nowUs;
}

/** A refusal that waiting does not help. `message` is shown to the caller: no secrets, no prompt. */
export function refuse(code: RefusalCode, message: string, owner: string | null = null): Refusal {
  return { kind: 'refusal', code, message, owner, retryAfterMs: null };
}

/** Whether a stage refused instead of giving its permit. */
export function isRefusal(value: object): value is Refusal {
  return 'kind' in value && value.kind === 'refusal';
}
