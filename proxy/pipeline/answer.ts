import { commit } from '../../policy/evidence/index.ts';
import type { AnswerFacts, StreamText } from '../dialects/dialect.ts';
import type { AnswerPolicies, Conclusion } from './answer-policies.ts';
import type { Captured } from './capture.ts';
import type { Cut } from './cut.ts';
import { findHeader } from './headers.ts';
import type { Intended } from './intent.ts';
import type { Progress } from './meter.ts';
import { type Observation, openObservation } from './observe.ts';
import type { StreamPiece } from './outlet.ts';
import type { UpstreamHead } from './ports.ts';
import { type KeptText, readKeptText, redactBeginning, redactText } from './redaction.ts';
import { closeStage, type Run } from './run.ts';
import type { StreamCut } from './stream-ruling.ts';
import { Transcript } from './transcript.ts';

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
  readonly #head: UpstreamHead;
  readonly #salt: string;
  /** Whether what is kept of it is redacted. */
  readonly #redacts: boolean;
  readonly #transcript: Transcript;
  /** Whether a stream was asked for and something else is what its head names: clients read it as a stream all the same. */
  readonly #isDoubtful: boolean;
  #bytes = 0;
  /** Offset at which the event begins that is not complete yet. */
  #eventFrom = 0;
  #facts: AnswerFacts | null = null;
  /** The redacted text of all of it; null where it cannot be redacted, undefined before its end. */
  #redacted: Buffer | null | undefined;

  constructor(run: Run, permit: Intended, { head, policies }: { head: UpstreamHead; policies: AnswerPolicies }) {
    const { maxCaptureBytes, maxDecideBytes } = run.gate.limits;
    const maxBytes = Math.max(maxCaptureBytes, maxDecideBytes);
    this.#run = run;
    this.#policies = policies;
    this.#head = head;
    this.#salt = run.gate.ids.salt();
    this.#redacts = permit.identified.tenant.document.capture === 'redacted' && run.keepsPayloads;
    this.#transcript = new Transcript(maxBytes);
    const mayBeStream = policies.readsStream && permit.request.facts.streamed && head.status < 300;
    this.#observation = openObservation({
      ...{ dialect: permit.request.dialect, head, salt: this.#salt },
      keepText: policies.readsStream || this.#redacts,
      maxBytes: policies.holdsWhole || mayBeStream ? maxBytes : maxCaptureBytes,
    });
    this.#isDoubtful = mayBeStream && !this.#observation.streamed;
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
    return this.isUnread || this.#isDoubtful || (this.#policies.holdsWhole && !this.streamed);
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

  /**
   * Takes in the next piece and looks at it. Calls back, at once where the answer is not compressed and its policies need no
   * other thread; `failed` where it cannot be looked at.
   */
  take(bytes: Buffer, then: (look: Look) => void, failed: (error: unknown) => void): void {
    this.#observation.push(bytes, (heldFrom) => {
      const from = this.#bytes;
      this.#bytes += bytes.length;
      const boundary = this.#observation.lastBoundary();
      const piece = {
        bytes,
        heldFrom,
        boundary,
        decoded: this.#policies.readsStream ? this.#observation.decoded() : null,
      };
      const settle = (found: StreamCut | null) => then(describeLook(piece, found, from));
      if (boundary !== null && boundary >= 0) this.#eventFrom = from + boundary;
      const found = this.#policies.look(this.#takeTexts(), this.#lostFrom());
      if (found instanceof Promise) found.then(settle).catch(failed);
      else settle(found);
    });
  }

  /** Offset of the event from which on the text of a stream is not known as a whole; null while it is. */
  #lostFrom(): number | null {
    const { streamed, text } = this.#observation;
    return streamed && this.#policies.readsStream && text.textIncomplete() ? this.#eventFrom : null;
  }

  /** The text of a stream since the last time, put down for the end as well. */
  #takeTexts(): readonly StreamText[] {
    const texts = this.#observation.text.takeText();
    for (const one of texts) this.#transcript.push(one.text);
    return texts;
  }

  /** Asks the policies on all of it, and makes what is kept of it meanwhile. */
  conclude(): Conclusion | Promise<Conclusion> {
    const facts = this.end([]);
    const late = this.#policies.look(this.#takeTexts(), null);
    if (late instanceof Promise) return late.then((found) => this.#concludeRest(facts, found));
    return this.#concludeRest(facts, late);
  }

  #concludeRest(facts: AnswerFacts, late: StreamCut | null): Conclusion | Promise<Conclusion> {
    if (late !== null) return { cut: late.cut, replaced: null };
    const ruled = this.#rule(facts);
    if (!this.#redacts) return ruled;
    return Promise.all([ruled, this.#redact()]).then(([conclusion]) => conclusion);
  }

  #rule(facts: AnswerFacts): Conclusion | Promise<Conclusion> {
    const { status } = this.#head;
    if (this.#isDoubtful && !isJson(this.#observation.wholeBody())) {
      return this.#policies.concludeUnseen(status).then((cut) => ({ cut, replaced: null }));
    }
    const text = this.#transcript.whole();
    return this.#policies.conclude({ status, facts, observation: this.#observation, text });
  }

  /** The caller has left: what the policies make of what came goes on record. */
  leave(): void {
    if (this.streamed && this.#policies.readsStream) this.#policies.leave(this.#observation.text);
  }

  async #redact(): Promise<void> {
    const kept = this.#keptText();
    this.#redacted = kept === null ? null : await redactText(this.#run, kept);
  }

  /** What a redacting capture keeps, before it is redacted; null where that cannot be told. */
  #keptText(): KeptText | null {
    const { maxCaptureBytes } = this.#run.gate.limits;
    if (!this.streamed) {
      const body = this.#observation.keptBody();
      return body === null ? null : readKeptText(body, maxCaptureBytes);
    }
    if (this.#observation.text.textIncomplete()) return null;
    const text = this.#transcript.beginning();
    return { text: text.slice(0, maxCaptureBytes), isWhole: this.#transcript.whole()?.length === text.length };
  }

  /** Asks them without knowing anything of it. */
  concludeUnseen(): Promise<Cut | null> {
    return this.#policies.concludeUnseen(this.#head.status);
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

  /** What is kept of it: as it came, or redacted. Of one that ended before it was complete, the beginning alone is redacted. */
  captured(): Captured {
    const { capture } = this.#observation;
    if (!this.#redacts) {
      const captured = capture.end();
      return { ...captured, stored: captured.stored.subarray(0, this.#run.gate.limits.maxCaptureBytes) };
    }
    if (this.#redacted === undefined) this.#redacted = this.#redactUnfinished();
    const stored = this.#redacted;
    const contentType = this.streamed ? streamedType : findHeader(this.#head.headers, 'content-type');
    return {
      ...{ salt: this.#salt, stored, wholeBytes: capture.wholeBytes, redacted: { contentType } },
      commitment: stored === null ? null : commit(this.#salt, stored),
    };
  }

  #redactUnfinished(): Buffer | null {
    this.#takeTexts();
    const kept = this.#keptText();
    return kept === null ? null : redactBeginning({ ...kept, isWhole: false });
  }
}

function isJson(body: Uint8Array | null): boolean {
  if (body === null) return false;
  try {
    return typeof JSON.parse(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString()) === 'object';
  } catch {
    return false; // Then it is no answer that can be read as a whole, and clients may take it for a stream.
  }
}

/** A stream is kept as the text that it brought: what is torn over its events could not be taken out of them. */
const streamedType = 'text/plain; charset=utf-8';

/** `from`: offset of the piece in the stream. */
function describeLook(piece: StreamPiece, found: StreamCut | null, from: number): Look {
  const { bytes, heldFrom, boundary } = piece;
  if (found === null) return { piece, isLast: boundary !== null && heldFrom < bytes.length, cut: null };
  const allowed = boundary === null ? 0 : Math.max(0, found.from - from);
  const rest = { bytes: bytes.subarray(0, allowed), heldFrom: allowed, boundary: allowed, decoded: null };
  return { piece: rest, isLast: false, cut: found.cut };
}
