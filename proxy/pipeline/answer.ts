import type { AnswerFacts } from '../dialects/dialect.ts';
import type { AnswerPolicies, Conclusion } from './answer-policies.ts';
import type { Captured } from './capture.ts';
import type { Cut } from './cut.ts';
import type { Intended } from './intent.ts';
import type { Progress } from './meter.ts';
import { type Observation, openObservation } from './observe.ts';
import type { StreamPiece } from './outlet.ts';
import type { UpstreamHead } from './ports.ts';
import { closeStage, type Run } from './run.ts';

/** What a piece of an answer comes to: what of it may pass as far as its policies go, and whether one of them ends it there. */
export interface Look {
  piece: StreamPiece;
  /** Whether the terminal event is in it: with that the provider tells what the run came to. */
  isLast: boolean;
  cut: Cut | null;
}

/**
 * One answer on its way through: observed, and asked about by the policies of its run. Knows its facts once it has ended, and
 * closes the stage `observe`.
 */
export class Answer {
  readonly #run: Run;
  readonly #policies: AnswerPolicies;
  readonly #observation: Observation;
  readonly #status: number;
  #bytes = 0;
  #facts: AnswerFacts | null = null;

  constructor(run: Run, permit: Intended, { head, policies }: { head: UpstreamHead; policies: AnswerPolicies }) {
    const { maxCaptureBytes, maxDecideBytes } = run.gate.limits;
    this.#run = run;
    this.#policies = policies;
    this.#status = head.status;
    this.#observation = openObservation({
      ...{ dialect: permit.request.dialect, head, salt: run.gate.ids.salt(), keepText: policies.readsStream },
      maxBytes: policies.holdsWhole ? Math.max(maxCaptureBytes, maxDecideBytes) : maxCaptureBytes,
    });
  }

  get streamed(): boolean {
    return this.#observation.streamed;
  }

  /** Whether it is a stream that can be cut between two events. */
  get hasBoundaries(): boolean {
    return this.#observation.lastBoundary() !== null;
  }

  /** Whether policies want to know a stream's text and nothing of it can be told while it comes. */
  get isUnread(): boolean {
    return this.streamed && this.#policies.readsStream && !this.#observation.isTold;
  }

  /** Whether nothing of it may leave before it has been decided on. */
  get isHeld(): boolean {
    return this.isUnread || (this.#policies.holdsWhole && !this.streamed);
  }

  /** Whether so much of it has come that it cannot be held any longer. */
  get isTooLarge(): boolean {
    return this.#bytes > this.#run.gate.limits.maxDecideBytes;
  }

  /** What has come so far, for the meter. */
  progress(): Progress {
    return {
      outputBoundTokens: this.#observation.outputBoundTokens(),
      inputTokens: this.#observation.inputTokens(),
    };
  }

  /** Takes in the next piece and looks at it. Calls back, at once where the answer is not compressed. */
  take(bytes: Buffer, then: (look: Look) => void): void {
    this.#observation.push(bytes, (heldFrom) => {
      const from = this.#bytes;
      this.#bytes += bytes.length;
      const boundary = this.#observation.lastBoundary();
      const found = this.#policies.readsStream ? this.#policies.look(this.#observation) : null;
      if (found === null) {
        const isLast = boundary !== null && heldFrom < bytes.length;
        then({ piece: { bytes, heldFrom, boundary }, isLast, cut: null });
        return;
      }
      const allowed = boundary === null ? 0 : Math.max(0, found.from - from);
      const piece = { bytes: bytes.subarray(0, allowed), heldFrom: allowed, boundary: allowed };
      then({ piece, isLast: false, cut: found.cut });
    });
  }

  /** Asks the policies on all of it. */
  conclude(): Conclusion | Promise<Conclusion> {
    const facts = this.end([]);
    return this.#policies.conclude({ status: this.#status, facts, observation: this.#observation });
  }

  /** Asks them without knowing anything of it. */
  concludeUnseen(): Promise<Cut | null> {
    return this.#policies.concludeUnseen(this.#status);
  }

  /** Its facts to where it stands, `waiting` pieces included: what came and will not pass any more was produced all the same. */
  end(waiting: readonly Buffer[]): AnswerFacts {
    if (this.#facts === null) {
      for (const bytes of waiting) this.#observation.push(bytes, () => undefined);
      this.#facts = this.#observation.end();
    }
    return this.#facts;
  }

  close(detail?: string): void {
    closeStage(this.#run, 'observe', detail ?? (this.#facts?.usageReported ? 'usage' : 'no_usage'));
  }

  captured(): Captured {
    const captured = this.#observation.capture.end();
    return { ...captured, stored: captured.stored.subarray(0, this.#run.gate.limits.maxCaptureBytes) };
  }
}
