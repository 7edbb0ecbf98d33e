import { HocError, refusalCatalogue } from '../../storage/schema/errors.ts';
import type { AnswerFacts } from '../dialects/dialect.ts';
import { Answer, type Look } from './answer.ts';
import { writeAnswerHead } from './answer-head.ts';
import { AnswerPolicies, type Conclusion } from './answer-policies.ts';
import { type AskedBody, askForUsage } from './ask-usage.ts';
import type { CallerAnswer } from './call.ts';
import { type Cut, recordCut } from './cut.ts';
import type { Ending } from './ending.ts';
import { finish } from './finish.ts';
import { Inflow, Valve } from './inflow.ts';
import type { Intended } from './intent.ts';
import { isMeasured, type Meter, openMeter } from './meter.ts';
import { Outlet, type StreamPiece } from './outlet.ts';
import type { Gate, UpstreamExchange, UpstreamHead } from './ports.ts';
import { answerFailure, answerRefusal } from './refused.ts';
import { closeStage, type Refusal, type Run } from './run.ts';
import { settleUnrecorded } from './unrecorded.ts';
import { addressUpstream } from './upstream-address.ts';
import { startWatch, type Watch } from './watch.ts';

/** How long a stream whose terminal event has arrived may take to end before that event is released all the same. */
const lingerMs = 250;
/** Size of the pieces in which an answer is measured that comes faster than its reservation grows. */
const pieceBytes = 512;

/**
 * Stages 7 to 9: sends the request, lets the answer through as it comes and as far as it is reserved, and holds its last
 * bytes until `finish` stands in the spool.
 *
 * Resolves when the run has ended, however it ended. Nothing is ever sent twice. A caller that leaves ends the exchange
 * with the provider at once, and so does a limit that cuts the run; a provider that fails before its head becomes a
 * native error, after it a broken-off answer.
 */
export function forward(run: Run, permit: Intended, caller: CallerAnswer): Promise<void> {
  return new Promise((resolve) => new Relay({ run, permit, caller, resolve }).start());
}

class Relay {
  readonly #gate: Gate;
  readonly #run: Run;
  readonly #permit: Intended;
  readonly #caller: CallerAnswer;
  readonly #resolve: () => void;
  readonly #valve = new Valve(() => this.#exchange);
  readonly #outlet: Outlet;
  readonly #inflow = new Inflow((piece, done) => this.#take(piece, done));
  readonly #policies: AnswerPolicies;
  #meter: Meter;
  #watch: Watch | null = null;
  #exchange: UpstreamExchange | null = null;
  #head: UpstreamHead | null = null;
  #asked: AskedBody | null = null;
  #answer: Answer | null = null;
  /** Whether the head waits until the answer has been decided on. */
  #headWaits = false;
  #ended = false;
  #concluding = false;
  #isUnseen = false;
  #finished = false;
  #delivered = false;
  #ttftMs: number | null = null;
  #linger: NodeJS.Timeout | null = null;

  constructor(input: { run: Run; permit: Intended; caller: CallerAnswer; resolve: () => void }) {
    this.#gate = input.run.gate;
    this.#run = input.run;
    this.#permit = input.permit;
    this.#caller = input.caller;
    this.#resolve = input.resolve;
    this.#outlet = new Outlet(input.caller, this.#valve);
    this.#meter = openMeter(input.run, input.permit);
    this.#policies = new AnswerPolicies(input.run, input.permit);
  }

  start(): void {
    const { identified, request } = this.#permit;
    this.#caller.once('close', () => this.#onCallerGone());
    // `writableFinished` is no witness: it is true as well where the connection went with the last bytes on it.
    this.#caller.once('finish', () => {
      this.#delivered = true;
    });
    if (this.#caller.destroyed) {
      this.#onCallerGone();
      return;
    }
    const asked = askForUsage(this.#run, this.#permit);
    this.#asked = asked;
    const address = addressUpstream({
      credentials: this.#gate.credentials,
      identified,
      dialect: request.dialect,
      plainAnswer: asked.asked || isMeasured(this.#permit) || this.#policies.holdsWhole || this.#policies.readsStream,
      plainBody: request.outgoingIsPlain,
    });
    const body = asked.body.length === 0 ? null : asked.body;
    this.#exchange = this.#gate.upstream.send(
      { provider: identified.provider, method: identified.route.method, ...address, body },
      {
        onHead: (head) => this.#onHead(head),
        onData: (chunk) => this.#onData(chunk),
        onEnd: () => this.#inflow.whenThrough(() => this.#onEnd()),
        onError: (error) => this.#inflow.whenThrough(() => this.#onError(error)),
      },
    );
    this.#watch = startWatch(this.#run, this.#permit, (cut) => this.#onCut(cut));
  }

  #onHead(head: UpstreamHead): void {
    if (this.#finished) return;
    this.#head = head;
    const answer = new Answer(this.#run, this.#permit, { head, policies: this.#policies });
    this.#answer = answer;
    this.#headWaits = answer.isHeld;
    const filter = this.#asked?.openFilter(head) ?? null;
    const cuttable = answer.hasBoundaries && this.#canBeCut();
    this.#outlet.begin({ filter, cuttable, holdsAll: answer.isHeld, isRead: this.#policies.readsStream });
    closeStage(this.#run, 'forward', String(head.status));
    if (answer.isUnread) this.#concludeUnseen(answer);
    else if (!answer.isHeld) this.#writeHead({ resized: filter !== null || cuttable || head.status === 204 });
  }

  /** False where the provider's head is none that HTTP allows; the run has failed then. */
  #writeHead(form: { resized?: boolean; rewritten?: number }): boolean {
    const head = this.#head;
    if (head === null) return false;
    this.#headWaits = false;
    const cause = writeAnswerHead(this.#caller, head, { runId: this.#run.id, ...form });
    if (cause === null) return true;
    this.#exchange?.abort();
    this.#head = null;
    const publicMessage = 'The provider answered with a head that HTTP does not allow.';
    this.#onError(new HocError({ code: 'upstream_failed', publicMessage, cause }));
    return false;
  }

  /** Whether this run can be ended in the middle of a stream, and its format has words for that. */
  #canBeCut(): boolean {
    const notice = { code: 'limit_exceeded', status: 429, message: '', runId: this.#run.id } as const;
    const mayBeCut = isMeasured(this.#permit) || this.#policies.readsStream;
    return mayBeCut && this.#permit.request.dialect.renderCut(notice) !== null;
  }

  #onData(chunk: Buffer): void {
    if (this.#finished || this.#answer === null) {
      this.#passLate(chunk);
      return;
    }
    this.#ttftMs ??= Math.round((this.#gate.clock.nowUs() - this.#run.startedUs) / 1000);
    const isCovered = chunk.length <= this.#meter.slackTokens();
    this.#inflow.push(chunk, isCovered ? Number.POSITIVE_INFINITY : pieceBytes);
  }

  /** What comes behind the end that is on record: a little of it may pass, but nothing that policies would have looked at. */
  #passLate(chunk: Buffer): void {
    if (!this.#policies.readsStream && this.#outlet.passLate(chunk)) return;
    this.#exchange?.abort();
    this.#outlet.end();
  }

  #take(piece: Buffer, done: () => void): void {
    const answer = this.#answer;
    if (this.#finished || answer === null) {
      this.#passLate(piece);
      done();
    } else if (this.#concluding) {
      // What comes behind an end that is being decided on waits with it.
      if (answer.streamed) this.#outlet.pass({ bytes: piece, heldFrom: 0, boundary: 0, decoded: null });
      else this.#outlet.passWhole(piece);
      done();
    } else {
      this.#look(answer, piece, done);
    }
  }

  /** Has a piece looked at; while that takes a while, the provider waits. */
  #look(answer: Answer, piece: Buffer, done: () => void): void {
    let isLooked = false;
    let isHeld = false;
    const looked = (then: () => void): void => {
      isLooked = true;
      if (isHeld) this.#valve.release();
      then();
    };
    answer.take(
      piece,
      (look) => looked(() => this.#admit(answer, look, done)),
      (error) =>
        looked(() => {
          this.#failFaulty(error);
          done();
        }),
    );
    isHeld = !isLooked;
    if (isHeld) this.#valve.hold();
  }

  /** Lets a piece pass once it is reserved. The last one always is: with it the provider tells what the run came to. */
  #admit(answer: Answer, { piece, isLast, cut }: Look, done: () => void): void {
    const isFree = isLast || cut !== null || this.#finished || (this.#head?.status ?? 0) >= 400;
    const verdict = isFree ? null : this.#meter.admit(answer.progress(), this.#inflow.waitingBytes);
    const conclude = (metered: Cut | null) => {
      const end = metered ?? cut;
      if (metered === null && !this.#finished) this.#pass(answer, piece);
      if (end !== null) this.#onCut(end);
      done();
    };
    if (!(verdict instanceof Promise)) {
      conclude(verdict);
      return;
    }
    this.#valve.hold();
    void verdict.then((metered) => {
      this.#valve.release();
      conclude(metered);
    });
  }

  #pass(answer: Answer, piece: StreamPiece): void {
    if (answer.streamed) {
      this.#passStream(piece);
      return;
    }
    this.#outlet.passWhole(piece.bytes);
    if (this.#headWaits && answer.isTooLarge) this.#concludeUnseen(answer);
  }

  /** An answer that cannot be held, or not be read, is decided on unseen: every fact of it is missing then. */
  #concludeUnseen(answer: Answer): void {
    if (this.#isUnseen) return;
    this.#isUnseen = true;
    this.#valve.hold();
    answer.concludeUnseen().then(
      (cut) => {
        this.#valve.release();
        if (this.#finished || this.#concluding) return;
        if (cut !== null) this.#onCut(cut);
        else if (this.#writeHead({})) this.#outlet.holdLess();
      },
      (error: unknown) => this.#failFaulty(error),
    );
  }

  #passStream(piece: StreamPiece): void {
    this.#outlet.pass(piece);
    if (this.#outlet.terminal) this.#linger ??= setTimeout(() => this.#finishAndRelease(false), lingerMs);
  }

  #onEnd(): void {
    if (this.#finished) this.#outlet.end();
    else this.#finishAndRelease(true);
  }

  /** Asks the policies on the answer, finishes the run and lets its last bytes go. */
  #finishAndRelease(ended: boolean): void {
    this.#ended ||= ended;
    if (this.#finished || this.#concluding) return;
    this.#concluding = true;
    const conclusion = this.#answer?.conclude() ?? { cut: null, replaced: null };
    if (!(conclusion instanceof Promise)) {
      this.#release(conclusion);
      return;
    }
    this.#valve.hold();
    conclusion.then(
      (one) => {
        this.#valve.release();
        this.#release(one);
      },
      (error: unknown) => this.#failFaulty(error),
    );
  }

  #release({ cut, replaced }: Conclusion): void {
    if (this.#finished) return;
    if (cut !== null) {
      this.#onCut(cut, true);
      return;
    }
    if (replaced !== null) this.#outlet.replace(replaced);
    if (this.#headWaits && !this.#writeHead(replaced === null ? {} : { rewritten: replaced.length })) return;
    const facts = this.#observeEnd();
    const failed = (this.#head?.status ?? 500) >= 400 || facts?.failed === true;
    if (this.#finish({ status: failed ? 'failed' : 'succeeded', facts })) this.#outlet.release(this.#ended);
  }

  #onError(error: HocError): void {
    if (this.#finished) {
      if (!this.#outlet.over) this.#caller.destroy();
      return;
    }
    const head = this.#head;
    if (head !== null && isBodyless(head.status)) {
      // What a provider sends behind an answer that has no body is not part of it.
      this.#finishAndRelease(true);
      return;
    }
    const facts = head === null ? null : this.#observeEnd();
    if (head === null) closeStage(this.#run, 'forward', 'failed');
    if (!this.#finish({ status: 'failed', facts })) return;
    if (head === null || this.#headWaits) answerFailure(this.#run, this.#caller, error);
    else this.#caller.destroy();
  }

  /** A fault of our own in deciding on an answer: nothing of what was held gets out. */
  #failFaulty(error: unknown): void {
    this.#gate.telemetry.failed('decide', error);
    if (this.#finished) return;
    const publicMessage = 'The proxy failed to decide on the answer.';
    this.#exchange?.abort();
    this.#onError(new HocError({ code: 'internal', publicMessage, cause: error }));
  }

  #onCallerGone(): void {
    if (this.#finished) {
      if (!this.#delivered) this.#exchange?.abort();
      return;
    }
    this.#exchange?.abort();
    const facts = this.#answer === null ? null : this.#observeEnd();
    this.#answer?.leave();
    if (this.#head === null) closeStage(this.#run, 'forward', 'caller_gone');
    this.#finish({ status: 'cancelled', facts });
  }

  /** Ends the run where it stands: before the head by a native refusal, behind it in the answer's own words. */
  #onCut(cut: Cut, isLast = false): void {
    if (this.#finished || (this.#outlet.terminal && !isLast)) return;
    this.#exchange?.abort();
    const { refusal } = cut;
    recordCut(this.#run, cut);
    if (this.#head === null || this.#headWaits) {
      const facts = this.#head === null ? null : this.#observeEnd(`cut:${refusal.code}`);
      if (this.#head === null) closeStage(this.#run, 'forward', `cut:${refusal.code}`);
      if (!this.#finish({ status: 'truncated', facts, refusal })) return;
      answerRefusal(this.#run, { runId: this.#run.id, refusal }, this.#caller);
      return;
    }
    const facts = this.#observeEnd(`cut:${refusal.code}`);
    if (!this.#finish({ status: 'truncated', facts, refusal })) return;
    const { status } = refusalCatalogue[refusal.code];
    const notice = { code: refusal.code, status, message: refusal.message, runId: this.#run.id };
    this.#outlet.cut(this.#permit.request.dialect.renderCut(notice));
  }

  /** Reads the answer to where it stands, for the bill, and closes its stage. */
  #observeEnd(detail?: string): AnswerFacts | null {
    const facts = this.#answer?.end(this.#inflow.takeWaiting()) ?? null;
    this.#answer?.close(detail);
    return facts;
  }

  /** False where the record could not be appended: then the answer is broken off, never released unrecorded. */
  #finish(end: { status: Ending['status']; facts: AnswerFacts | null; refusal?: Refusal }): boolean {
    this.#finished = true;
    this.#policies.stop();
    if (this.#linger !== null) clearTimeout(this.#linger);
    this.#watch?.stop();
    this.#meter.stop();
    const { status, facts, refusal = null } = end;
    try {
      finish(this.#run, {
        status,
        facts,
        refusal,
        sent: this.#exchange?.sent ?? false,
        head: this.#head,
        httpStatus: this.#head?.status ?? (refusal === null ? null : refusalCatalogue[refusal.code].status),
        captured: this.#answer?.captured() ?? null,
        streamed: this.#answer?.streamed ?? this.#permit.request.facts.streamed,
        ttftMs: this.#ttftMs,
        altered:
          (this.#asked?.asked ?? false) || this.#run.marks.has('output_capped') || this.#run.marks.has('modified'),
        count: 1,
      });
      return true;
    } catch (error) {
      this.#gate.telemetry.failed('finish', error);
      settleUnrecorded(this.#run);
      this.#exchange?.abort();
      this.#caller.destroy();
      return false;
    } finally {
      this.#resolve();
    }
  }
}

function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}
