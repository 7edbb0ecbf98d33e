import type { AnswerFacts, StreamText } from '../dialects/dialect.ts';
import { silentAnswer } from '../dialects/usage.ts';
import { ruleOnAnswer } from './answer-ruling.ts';
import { type Cut, cutByPolicy } from './cut.ts';
import type { Intended } from './intent.ts';
import type { Observation } from './observe.ts';
import type { Run } from './run.ts';
import { type StreamCut, StreamRuling } from './stream-ruling.ts';

/** What the policies on an answer come to at its end. `replaced`: the decoded body that goes out in its place. */
export interface Conclusion {
  cut: Cut | null;
  replaced: Uint8Array | null;
}

const passed: Conclusion = { cut: null, replaced: null };

/** An answer at its end, as its relay knows it. */
export interface AnswerEnd {
  status: number;
  facts: AnswerFacts;
  observation: Observation;
  /** The text of a streamed one; null where it is too long to be known. */
  text: string | null;
}

/** The policies of the response and stream phases on the answer of one run. */
export class AnswerPolicies {
  readonly #run: Run;
  readonly #permit: Intended;
  readonly #stream: StreamRuling | null;
  readonly #onWhole: boolean;
  /** The verdict on an answer that nothing is known of. */
  #unseen: Promise<Cut | null> | null = null;

  constructor(run: Run, permit: Intended) {
    const { policies } = permit.identified.tenant;
    this.#run = run;
    this.#permit = permit;
    this.#stream = policies.has('stream') ? new StreamRuling(run, permit) : null;
    this.#onWhole = policies.has('response');
  }

  /** Whether a whole answer is held until it is decided on. */
  get holdsWhole(): boolean {
    return this.#onWhole;
  }

  /** Whether a streamed answer is read, and may be cut. */
  get readsStream(): boolean {
    return this.#onWhole || this.#stream !== null;
  }

  /** Asks on what has come of a stream, as `StreamRuling.look`. */
  look(texts: readonly StreamText[], lost: number | null): StreamCut | null | Promise<StreamCut | null> {
    return this.#unseen === null ? (this.#stream?.look(texts, lost) ?? null) : null;
  }

  /** Asks on the end of a stream whose caller has left, for the record alone; what takes another thread is not asked any more. */
  leave({ toolsCalled, textIncomplete }: Observation['text']): void {
    if (this.#unseen === null) this.#stream?.end(toolsCalled(), textIncomplete());
    this.stop();
  }

  /** The run has ended: nothing is asked any more. */
  stop(): void {
    this.#stream?.stop();
  }

  /** Asks on the answer as it is in the end. A promise where that takes a look by another thread. */
  conclude(end: AnswerEnd): Conclusion | Promise<Conclusion> {
    const { observation } = end;
    if (this.#unseen !== null) return this.#unseen.then((cut) => ({ cut, replaced: null }));
    if (!observation.streamed) return this.#concludeRest(end, null);
    const { toolsCalled, textIncomplete } = observation.text;
    const cut = this.#stream?.end(toolsCalled(), textIncomplete()) ?? null;
    if (cut instanceof Promise) return cut.then((late) => this.#concludeRest(end, late));
    return this.#concludeRest(end, cut);
  }

  #concludeRest(end: AnswerEnd, cut: Cut | null): Conclusion | Promise<Conclusion> {
    if (cut !== null) return { cut, replaced: null };
    return this.#onWhole ? this.#concludeAnswer(end) : passed;
  }

  /** Asks on an answer that is too large to be held, or in no format that can be read: all that it would tell is missing. */
  concludeUnseen(status: number): Promise<Cut | null> {
    this.#unseen ??= this.#ruleUnseen(status);
    return this.#unseen;
  }

  async #ruleUnseen(status: number): Promise<Cut | null> {
    const cut = (await this.#stream?.askUnread()) ?? null;
    if (cut !== null || !this.#onWhole) return cut;
    const unknown = { facts: silentAnswer, bytes: null, body: null, streamed: null };
    const verdict = await ruleOnAnswer(this.#run, this.#permit, { status, latencyMs: this.#latencyMs(), ...unknown });
    return verdict.refusal === null ? null : cutByPolicy(verdict.refusal);
  }

  async #concludeAnswer({ status, facts, observation, text: streamText }: AnswerEnd): Promise<Conclusion> {
    const { capture, text } = observation;
    const verdict = await ruleOnAnswer(this.#run, this.#permit, {
      ...{ status, facts, bytes: capture.wholeBytes, latencyMs: this.#latencyMs() },
      body: observation.wholeBody(),
      streamed: observation.streamed
        ? { text: text.textIncomplete() ? null : streamText, tools: text.toolsCalled() }
        : null,
    });
    if (verdict.refusal !== null) return { cut: cutByPolicy(verdict.refusal), replaced: null };
    return { cut: null, replaced: verdict.replaced };
  }

  #latencyMs(): number {
    return Math.max(0, Math.round((this.#run.gate.clock.nowUs() - this.#run.startedUs) / 1000));
  }
}
