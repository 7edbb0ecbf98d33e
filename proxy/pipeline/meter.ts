import { checkCaps, raiseItems } from '../../policy/limits/index.ts';
import { computeCost } from '../../policy/pricing/index.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { ReservationItem } from '../../storage/schema/reservation.ts';
import { noUsage } from '../../storage/schema/run.ts';
import { computeAmounts, firstOutputTokens, trancheTokens } from './amounts.ts';
import {
  type Cut,
  cutAsGone,
  cutByCap,
  cutByReading,
  cutUnmeasured,
  cutUnrecorded,
  cutWithoutCounters,
} from './cut.ts';
import type { Intended } from './intent.ts';
import type { Run } from './run.ts';
import { raiseReservation } from './top-up.ts';

/** Output tokens left at which the next tranche is asked for, so that the stream does not have to wait for it. */
const topUpAtTokens = 512;
const retryForMs = 1000;
const retryEveryMs = 100;

/** What an answer has come to so far. */
export interface Progress {
  /** Output tokens that cannot be exceeded by what was seen; Infinity where it cannot be read. */
  outputBoundTokens: number;
  /** The provider's own count of the input, once it has told it. */
  inputTokens: number | null;
}

/** Keeps a running answer within what its run has reserved and within its caps. */
export interface Meter {
  /** Output tokens that can still be released without a question. */
  slackTokens(): number;
  /**
   * Whether what has come may be released: null for yes, the cut that ends the run, or a promise of either while a
   * top-up is under way. `aheadBytes` of the answer are known to wait behind it.
   */
  admit(progress: Progress, aheadBytes: number): null | Cut | Promise<Cut | null>;
  /** The run has ended: nothing is asked for any more. */
  stop(): void;
}

const unmetered: Meter = {
  slackTokens: () => Number.POSITIVE_INFINITY,
  admit: () => null,
  stop: () => undefined,
};

/** Whether a limit makes the run's answer be measured while it streams, so that it must come readable. */
export function isMeasured(permit: Intended): boolean {
  const { plan } = permit.reserved;
  if (!permit.request.facts.streamed) return false;
  return plan.caps.length > 0 || plan.limits.some(({ kind }) => kind === 'money' || kind === 'tokens');
}

/** Opens the meter of a run; one without limits on tokens or money and without caps on them costs nothing. */
export function openMeter(run: Run, permit: Intended): Meter {
  return isMeasured(permit) ? new StreamMeter(run, permit) : unmetered;
}

class StreamMeter implements Meter {
  readonly #run: Run;
  readonly #permit: Intended;
  readonly #capsTokens: boolean;
  /** The whole output that the run can come to; Infinity where nothing bounds it. */
  readonly #mostTokens: number;
  /** Output tokens that may be released: what is reserved, or what was let pass without counters. */
  #allowedTokens: number;
  #seenTokens = 0;
  /** What was seen before the pieces that came together with this one, and the most that such a burst has added. */
  #burstFromTokens = 0;
  #burstIsOver = true;
  #largestBurst = 0;
  #asking: Promise<void> | null = null;
  #refusal: Cut | null = null;
  #stopped = false;

  constructor(run: Run, permit: Intended) {
    const { facts } = permit.request;
    const { plan, held } = permit.reserved;
    this.#run = run;
    this.#permit = permit;
    this.#capsTokens = plan.caps.some(({ unit }) => unit !== 'milliseconds');
    const first = run.quote === null || !held ? null : firstOutputTokens(run.quote, facts);
    this.#mostTokens = run.quote?.outputTokens ?? Number.POSITIVE_INFINITY;
    // Where nothing was reserved by tokens, or a ceiling is stated for what is not bounded, there is no tranche to watch.
    this.#allowedTokens = first ?? Number.POSITIVE_INFINITY;
  }

  slackTokens(): number {
    return this.#isCovered() ? Number.POSITIVE_INFINITY : this.#allowedTokens - this.#seenTokens;
  }

  admit(progress: Progress, aheadBytes: number): null | Cut | Promise<Cut | null> {
    const seen = progress.outputBoundTokens;
    if (this.#burstIsOver) this.#burstFromTokens = this.#seenTokens;
    this.#burstIsOver = aheadBytes === 0;
    this.#largestBurst = Math.max(this.#largestBurst, seen - this.#burstFromTokens);
    this.#seenTokens = seen;
    const capped = this.#capsTokens ? this.#checkCaps(progress) : null;
    if (capped !== null || this.#isCovered()) return capped;
    // One more burst like the largest would not fit: cut before it is produced, since what is produced is charged.
    const fitsNoMore = this.#burstIsOver && seen + this.#largestBurst > this.#allowedTokens;
    if (this.#refusal !== null && fitsNoMore) return this.#refusal;
    if (seen > this.#allowedTokens) return this.#refusal ?? this.#wait(seen, aheadBytes);
    const runsLow = this.#allowedTokens - seen < topUpAtTokens;
    if (runsLow && this.#refusal === null && this.#asking === null) void this.#ask(seen, aheadBytes);
    return null;
  }

  stop(): void {
    this.#stopped = true;
  }

  #isCovered(): boolean {
    return this.#allowedTokens >= this.#mostTokens;
  }

  /** Caps take estimates, a token for four bytes, as they do before the wire. */
  #checkCaps(progress: Progress): Cut | null {
    const { facts } = this.#permit.request;
    const inputTokens = progress.inputTokens ?? facts.estimatedInputTokens;
    const outputTokens = Number.isFinite(progress.outputBoundTokens) ? Math.ceil(progress.outputBoundTokens / 4) : 0;
    const price = this.#run.quote?.price ?? null;
    const usage = { ...noUsage, input_tokens: inputTokens, output_tokens: outputTokens };
    const passed = checkCaps(this.#permit.reserved.plan, {
      inputTokens: BigInt(inputTokens),
      outputTokens: BigInt(outputTokens),
      costNanoUsd: price === null ? null : computeCost(price, usage),
      elapsedMs: 0,
    });
    return passed === null ? null : cutByCap('cap', passed);
  }

  async #wait(seen: number, aheadBytes: number): Promise<Cut | null> {
    while (seen > this.#allowedTokens && !this.#isCovered() && !this.#stopped) {
      if (this.#refusal !== null) return this.#refusal;
      await (this.#asking ?? this.#ask(seen, aheadBytes));
    }
    return null;
  }

  #ask(seen: number, aheadBytes: number): Promise<void> {
    this.#asking = this.#topUp(seen, aheadBytes)
      .catch((error: unknown) => {
        this.#run.gate.telemetry.failed('top_up', error);
        const isUnrecorded = error instanceof HocError && error.code === 'spool_full';
        this.#refusal = isUnrecorded ? cutUnrecorded() : cutWithoutCounters();
      })
      .finally(() => {
        this.#asking = null;
      });
    return this.#asking;
  }

  /** Asks for what is known to come; where that does not fit, for one tranche: what is left of a limit is used up. */
  async #topUp(seen: number, aheadBytes: number): Promise<void> {
    const least = this.#targetFor(seen);
    const wide = this.#targetFor(seen + aheadBytes);
    if (!Number.isFinite(least)) {
      this.#refusal = cutUnmeasured(this.#permit.reserved.plan.limits[0]?.id ?? '');
      return;
    }
    const refusal = await this.#raiseTo(wide);
    this.#refusal = refusal === null || wide === least ? refusal : await this.#raiseTo(least);
  }

  #targetFor(seen: number): number {
    const missing = seen + topUpAtTokens - this.#allowedTokens;
    const tranches = Math.max(1, Math.ceil(missing / trancheTokens));
    return Math.min(this.#mostTokens, this.#allowedTokens + tranches * trancheTokens);
  }

  /** Raises the reservation to `target` output tokens in all. Null: they may be released. */
  async #raiseTo(target: number): Promise<Cut | null> {
    const { quote, reserved } = this.#run;
    const { facts } = this.#permit.request;
    if (quote === null || reserved === null) return cutWithoutCounters();
    const items = raiseItems({ ...reserved.plan, items: reserved.items }, computeAmounts(quote, facts, target));
    if (items.some((item, index) => item.amount > (reserved.items[index]?.amount ?? 0n))) {
      const refusal = await this.#reserve(items);
      if (refusal !== null) return refusal;
    }
    this.#allowedTokens = target;
    return null;
  }

  /** Without counters: goes on where every limit concerned allows it, else tries again for a second before it gives up. */
  async #reserve(items: readonly ReservationItem[]): Promise<Cut | null> {
    const { nowMs } = this.#run.gate.clock;
    const { tenant } = this.#permit.identified.tenant;
    const untilMs = nowMs() + retryForMs;
    for (;;) {
      const reply = await raiseReservation(this.#run, { tenant, items, raises: true });
      if (reply.kind === 'granted' || this.#stopped) return null;
      if (reply.kind === 'gone') return cutAsGone();
      if (reply.kind === 'refused') return cutByReading(this.#run, items, reply);
      if (this.#allowsWithoutCounters(items)) {
        this.#run.marks.add('redis_degraded');
        return null;
      }
      if (nowMs() >= untilMs) return cutWithoutCounters();
      await new Promise((resolve) => setTimeout(resolve, retryEveryMs));
      if (this.#stopped) return null;
    }
  }

  #allowsWithoutCounters(items: readonly ReservationItem[]): boolean {
    const { plan, items: held } = this.#run.reserved ?? this.#permit.reserved;
    return plan.limits.every((limit, index) => {
      const grows = (items[index]?.amount ?? 0n) > (held[index]?.amount ?? 0n);
      return !grows || limit.redisDown === 'allow';
    });
  }
}
