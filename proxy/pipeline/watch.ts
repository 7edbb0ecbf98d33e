import { checkCaps, durationCapMs } from '../../policy/limits/index.ts';
import { type Cut, cutAsGone, cutByCap } from './cut.ts';
import type { Intended } from './intent.ts';
import type { Run } from './run.ts';
import { raiseReservation } from './top-up.ts';

/** The longest that a timer of Node can wait. */
const longestTimerMs = 2_147_483_647;

export interface Watch {
  stop(): void;
}

/**
 * Watches over a run under way by the clock: renews what it holds three times within the reservation's life, so that a
 * long run never expires, and ends it when a cap on its duration is reached or when the counters say that it was closed
 * while its proxy was away. A run without limits or such a cap has no timer.
 */
export function startWatch(run: Run, permit: Intended, onCut: (cut: Cut) => void): Watch {
  const timers: NodeJS.Timeout[] = [];
  if (permit.reserved.held) timers.push(startRenewal(run, permit, onCut));
  const capMs = durationCapMs(permit.reserved.plan);
  if (capMs !== null) timers.push(startDeadline(run, permit, { capMs, onCut }));
  return {
    stop() {
      for (const timer of timers) clearTimeout(timer);
    },
  };
}

/** A renewal that fails is made good by the next one, of which there is one more before the reservation expires. */
function startRenewal(run: Run, permit: Intended, onCut: (cut: Cut) => void): NodeJS.Timeout {
  const everyMs = Math.max(1, Math.floor(run.gate.limits.reservationMs / 3));
  const { tenant } = permit.identified.tenant;
  const renew = async () => {
    const items = run.reserved?.items ?? permit.reserved.items;
    const { kind } = await raiseReservation(run, { tenant, items, raises: true });
    if (kind !== 'gone') return;
    clearInterval(timer);
    onCut(cutAsGone());
  };
  const timer = setInterval(() => {
    renew().catch((error: unknown) => run.gate.telemetry.failed('renewal', error));
  }, everyMs);
  return timer;
}

function startDeadline(
  run: Run,
  permit: Intended,
  { capMs, onCut }: { capMs: number; onCut: (cut: Cut) => void },
): NodeJS.Timeout {
  const elapsedMs = (run.gate.clock.nowUs() - run.startedUs) / 1000;
  const leftMs = Math.min(longestTimerMs, Math.max(0, capMs - elapsedMs));
  return setTimeout(() => {
    const progress = { inputTokens: 0n, outputTokens: 0n, costNanoUsd: null, elapsedMs: capMs };
    const passed = checkCaps(permit.reserved.plan, progress);
    if (passed !== null) onCut(cutByCap('duration', passed));
  }, leftMs);
}
