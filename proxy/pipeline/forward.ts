import { HocError } from '../../storage/schema/errors.ts';
import type { UsageFilter } from '../dialects/dialect.ts';
import { type AskedBody, askForUsage } from './ask-usage.ts';
import type { CallerAnswer } from './call.ts';
import { finish } from './finish.ts';
import { forwardableAnswerHeaders } from './headers.ts';
import type { Intended } from './intent.ts';
import { type Observation, openObservation } from './observe.ts';
import type { Gate, UpstreamExchange, UpstreamHead } from './ports.ts';
import { answerFailure } from './refused.ts';
import { closeStage, type Run } from './run.ts';
import { addressUpstream } from './upstream-address.ts';

/** How long a stream whose terminal event has arrived may take to end before that event is released all the same. */
const lingerMs = 250;

/**
 * Stages 7 to 9: sends the request, lets the answer through as it comes, and holds its last bytes until `finish` stands
 * in the spool.
 *
 * Resolves when the run has ended, however it ended. Nothing is ever sent twice. A caller that leaves ends the exchange
 * with the provider at once; a provider that fails before its head becomes a native error, after it a broken-off answer.
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
  #exchange: UpstreamExchange | null = null;
  #head: UpstreamHead | null = null;
  #asked: AskedBody | null = null;
  #filter: UsageFilter | null = null;
  #observation: Observation | null = null;
  #held: Buffer[] = [];
  #terminal = false;
  #decoding = false;
  readonly #undecoded: Buffer[] = [];
  #afterDecoding: (() => void) | null = null;
  #finished = false;
  #ttftMs: number | null = null;
  #linger: NodeJS.Timeout | null = null;

  constructor(input: { run: Run; permit: Intended; caller: CallerAnswer; resolve: () => void }) {
    this.#gate = input.run.gate;
    this.#run = input.run;
    this.#permit = input.permit;
    this.#caller = input.caller;
    this.#resolve = input.resolve;
  }

  start(): void {
    const { identified, request } = this.#permit;
    this.#caller.once('close', () => this.#onCallerGone());
    if (this.#caller.destroyed) {
      this.#onCallerGone();
      return;
    }
    const asked = askForUsage(this.#run, this.#permit);
    this.#asked = asked;
    this.#exchange = this.#gate.upstream.send(
      {
        provider: identified.provider,
        method: identified.route.method,
        ...addressUpstream({
          credentials: this.#gate.credentials,
          identified,
          dialect: request.dialect,
          plainAnswer: asked.asked,
        }),
        body: asked.body.length === 0 ? null : asked.body,
      },
      {
        onHead: (head) => this.#onHead(head),
        onData: (chunk) => this.#onData(chunk),
        onEnd: () => this.#whenDecoded(() => this.#onEnd()),
        onError: (error) => this.#whenDecoded(() => this.#onError(error)),
      },
    );
  }

  #onHead(head: UpstreamHead): void {
    if (this.#finished) return;
    this.#head = head;
    this.#observation = openObservation({
      dialect: this.#permit.request.dialect,
      head,
      salt: this.#gate.ids.salt(),
      maxBytes: this.#gate.limits.maxCaptureBytes,
    });
    this.#filter = this.#asked?.openFilter(head) ?? null;
    const headers = forwardableAnswerHeaders(head.headers, this.#filter !== null || head.status === 204);
    headers.push('x-hoc-run-id', this.#run.id);
    try {
      this.#caller.writeHead(head.status, reasonOf(head.statusText), headers);
      closeStage(this.#run, 'forward', String(head.status));
    } catch (cause) {
      this.#exchange?.abort();
      this.#head = null;
      const publicMessage = 'The provider answered with a head that HTTP does not allow.';
      this.#onError(new HocError({ code: 'upstream_failed', publicMessage, cause }));
    }
  }

  #onData(chunk: Buffer): void {
    if (this.#decoding) {
      this.#undecoded.push(chunk);
      return;
    }
    const observation = this.#observation;
    if (this.#finished || observation === null) {
      // After an early finish (a provider that lingers behind its terminal event) bytes still pass as they come.
      if (!this.#caller.destroyed) this.#caller.write(this.#filtered(chunk));
      return;
    }
    this.#ttftMs ??= Math.round((this.#gate.clock.nowUs() - this.#run.startedUs) / 1000);
    this.#decoding = true;
    observation.push(chunk, (heldFrom) => {
      this.#decoding = false;
      if (observation.streamed) this.#release(chunk, heldFrom);
      else this.#releaseWhole(chunk);
      this.#onDecoded();
    });
  }

  /** What came while a chunk was decoded waits here: a paused parser may not meet the end of its connection. */
  #onDecoded(): void {
    const next = this.#undecoded.shift();
    if (next !== undefined) {
      this.#onData(next);
      return;
    }
    const act = this.#afterDecoding;
    this.#afterDecoding = null;
    act?.();
  }

  #whenDecoded(act: () => void): void {
    if (this.#decoding) this.#afterDecoding = act;
    else act();
  }

  #release(chunk: Buffer, heldFrom: number): void {
    const terminal = heldFrom < chunk.length;
    const bytes = this.#filtered(chunk);
    const freeBytes = this.#filter === null ? heldFrom : bytes.length;
    this.#pass(bytes, terminal && this.#filter !== null ? 0 : freeBytes, terminal);
  }

  #filtered(chunk: Buffer): Buffer {
    if (this.#filter === null) return chunk;
    const kept = this.#filter.push(chunk);
    return Buffer.from(kept.buffer, kept.byteOffset, kept.byteLength);
  }

  #pass(chunk: Buffer, freeBytes: number, terminal: boolean): void {
    if (!this.#terminal && !terminal) {
      if (chunk.length > 0) this.#write(chunk);
      return;
    }
    const free = this.#terminal ? 0 : freeBytes;
    if (free > 0) this.#write(chunk.subarray(0, free));
    this.#held.push(chunk.subarray(free));
    this.#terminal = true;
    this.#linger ??= setTimeout(() => this.#finishAndRelease(false), lingerMs);
  }

  /** The newest chunk waits: only the last one completes the answer. */
  #releaseWhole(chunk: Buffer): void {
    const previous = this.#held.pop();
    this.#held.push(chunk);
    if (previous !== undefined) this.#write(previous);
  }

  #write(chunk: Buffer): void {
    if (this.#caller.destroyed || this.#caller.write(chunk)) return;
    this.#exchange?.pause();
    this.#caller.once('drain', () => this.#exchange?.resume());
  }

  #onEnd(): void {
    if (this.#finished) {
      this.#caller.end(this.#filter === null ? undefined : Buffer.from(this.#filter.end()));
      return;
    }
    this.#finishAndRelease(true);
  }

  #finishAndRelease(ended: boolean): void {
    if (this.#finished) return;
    const facts = this.#observeEnd();
    const failed = (this.#head?.status ?? 500) >= 400 || facts?.failed === true;
    if (!this.#finish(failed ? 'failed' : 'succeeded', facts)) return;
    if (ended && this.#filter !== null) this.#held.push(Buffer.from(this.#filter.end()));
    const last = this.#held.pop();
    for (const chunk of this.#held) this.#caller.write(chunk);
    this.#held = [];
    if (!ended) {
      if (last !== undefined) this.#caller.write(last);
      return;
    }
    if (last === undefined) this.#caller.end();
    else this.#caller.end(last);
  }

  #onError(error: HocError): void {
    if (this.#finished) {
      this.#caller.destroy();
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
    if (!this.#finish('failed', facts)) return;
    if (head === null) answerFailure(this.#run, this.#caller, error);
    else this.#caller.destroy();
  }

  #onCallerGone(): void {
    if (this.#finished) {
      if (!this.#caller.writableFinished) this.#exchange?.abort();
      return;
    }
    this.#exchange?.abort();
    const facts = this.#observation === null ? null : this.#observeEnd();
    if (this.#head === null) closeStage(this.#run, 'forward', 'caller_gone');
    this.#finish('cancelled', facts);
  }

  #observeEnd() {
    const facts = this.#observation?.end() ?? null;
    closeStage(this.#run, 'observe', facts?.usageReported ? 'usage' : 'no_usage');
    return facts;
  }

  /** False where the record could not be appended: then the answer is broken off, never released unrecorded. */
  #finish(status: 'succeeded' | 'failed' | 'cancelled', facts: ReturnType<Observation['end']> | null): boolean {
    this.#finished = true;
    if (this.#linger !== null) clearTimeout(this.#linger);
    const captured = this.#observation?.capture.end() ?? null;
    try {
      finish(this.#run, {
        status,
        refusal: null,
        head: this.#head,
        httpStatus: this.#head?.status ?? null,
        facts,
        captured,
        streamed: this.#observation?.streamed ?? this.#permit.request.facts.streamed,
        ttftMs: this.#ttftMs,
        altered: this.#asked?.asked ?? false,
        count: 1,
      });
      return true;
    } catch (error) {
      this.#gate.telemetry.failed('finish', error);
      this.#exchange?.abort();
      this.#caller.destroy();
      return false;
    } finally {
      this.#resolve();
    }
  }
}

/** A reason phrase that may be sent on: HTTP allows tabs and visible text. */
function reasonOf(text: string): string {
  return /^[\t\x20-\x7e]*$/.test(text) ? text : '';
}

function isBodyless(status: number): boolean {
  return status === 204 || status === 304;
}
