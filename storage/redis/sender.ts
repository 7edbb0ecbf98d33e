import type { ReserveReply, ReserveRequest } from '../schema/reservation.ts';
import type { Circuit } from './circuit.ts';
import { limitKeys } from './keys.ts';
import { decodeAnswer, encodeCall, type LimitsCall } from './limits-call.ts';
import { readReplyError, type Script } from './script.ts';
import type { TickWatch } from './tick-watch.ts';

export type CallOutcome = { kind: 'done'; replies: ReserveReply[] } | { kind: 'down'; reason: DownReason };

/** Why a call is not answered. Closed, so that it can label a metric; Redis' own error code follows `redis_error:`. */
export type DownReason =
  | 'timeout'
  | 'connection'
  | 'circuit_open'
  | 'counters_invalid'
  | 'counters_stale'
  | 'redis_evicts'
  | 'epoch_unknown'
  | 'overloaded'
  | 'closed'
  | 'unreadable'
  | `redis_error:${string}`;

export interface Sender {
  send(tenant: string, call: LimitsCall): Promise<CallOutcome>;
  /** Runs of calls that Redis has not answered yet, also those whose callers were told `timeout`. */
  unanswered(): number;
}

/**
 * Sends calls of the limits script, each with a deadline, and never rejects.
 *
 * `onStray` is told of runs whose caller was answered `down` although Redis holds, or may hold, their reservation: a
 * grant that came late, or a connection that broke before the answer. They are to be settled at nothing. What a Redis
 * that has lost writes grants stands for nothing: its counters are invalid from then on.
 */
export function createSender(options: {
  script: Script;
  circuit: Circuit;
  ticks: TickWatch;
  timeoutMs: number;
  onStray: (tenant: string, runIds: string[]) => void;
}): Sender {
  const { script, circuit, timeoutMs, onStray } = options;
  let unanswered = 0;

  function send(tenant: string, call: LimitsCall): Promise<CallOutcome> {
    if (options.ticks.isStale(tenant, call.epoch)) return Promise.resolve({ kind: 'down', reason: 'counters_stale' });
    const size = call.settles.length + call.reserves.length;
    unanswered += size;
    return new Promise((resolve) => {
      let told = false;
      const tell = (outcome: CallOutcome) => {
        told = true;
        clearTimeout(timer);
        resolve(outcome);
      };
      const expire = () => {
        if (told) return;
        circuit.failed();
        tell({ kind: 'down', reason: 'timeout' });
      };
      // Where this process itself was late, the answer is already in the socket: it is read before setImmediate runs.
      const timer = setTimeout(() => setImmediate(expire), timeoutMs);
      script.run(limitKeys(tenant), encodeCall(call)).then(
        (answer) => {
          unanswered -= size;
          circuit.succeeded();
          const outcome = readAnswer(answer, { tenant, call, ticks: options.ticks });
          if (told) onStray(tenant, findGranted(outcome, call));
          else tell(outcome);
        },
        (error: unknown) => {
          unanswered -= size;
          const reason = readReason(error);
          if (reason === 'connection' && !wasNeverSent(error)) onStray(tenant, call.reserves.map(nameRun));
          if (told) return;
          if (countsAsFailure(reason)) circuit.failed();
          tell({ kind: 'down', reason });
        },
      );
    });
  }

  return { send, unanswered: () => unanswered };
}

function readAnswer(answer: unknown, asked: { tenant: string; call: LimitsCall; ticks: TickWatch }): CallOutcome {
  const { tenant, call, ticks } = asked;
  if (answer === 'counters_invalid') return { kind: 'down', reason: 'counters_invalid' };
  try {
    const { tick, replies } = decodeAnswer(answer, call.reserves);
    if (!ticks.note(tenant, call.epoch, tick)) return { kind: 'down', reason: 'counters_stale' };
    return { kind: 'done', replies };
  } catch {
    // Only a script other than ours can answer so; what it did is unknown, and expiry covers it.
    return { kind: 'down', reason: 'unreadable' };
  }
}

function findGranted(outcome: CallOutcome, call: LimitsCall): string[] {
  if (outcome.kind === 'down') return [];
  const granted = call.reserves.filter((_, index) => outcome.replies[index]?.kind === 'granted');
  return granted.filter(isTakenBack).map(nameRun);
}

/** A run that goes on keeps what it holds, whenever its top-up was granted. */
function isTakenBack({ raises }: ReserveRequest): boolean {
  return raises !== true;
}

function nameRun({ runId }: { runId: string }): string {
  return runId;
}

function readReason(error: unknown): DownReason {
  const answer = readReplyError(error);
  return answer === null ? 'connection' : `redis_error:${/^[A-Z]{2,20}/.exec(answer)?.[0] ?? 'ERR'}`;
}

/** ioredis says so where it had no connection to write to. */
function wasNeverSent(error: unknown): boolean {
  return error instanceof Error && error.message.startsWith("Stream isn't writeable");
}

/** An error of one tenant's data says nothing about Redis; it must not stop the other tenants. */
function countsAsFailure(reason: DownReason): boolean {
  return reason !== 'redis_error:WRONGTYPE' && reason !== 'redis_error:ERR';
}
