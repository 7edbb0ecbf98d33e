import { HocError } from '../../storage/schema/errors.ts';

/** A lease that one holder has at a time. Every call rejects while its keeper is away. */
export interface LeasePort {
  acquire(): Promise<boolean>;
  renew(): Promise<boolean>;
  release(): Promise<void>;
  readHolder(): Promise<string | null>;
}

/** `held`; `unknown` while nobody answers; `taken`: another holder has it. */
export type LeaseState = 'held' | 'unknown' | 'taken';

export interface LeaseKeeper {
  state(): LeaseState;
  /** Renews no more and gives the lease up. Never rejects. */
  stop(): Promise<void>;
}

const retryEveryMs = 500;
/** A connection that has just been opened takes a moment. */
const answerWithinMs = 2000;

/**
 * Takes the lease of a proxy id and keeps it. `onLost` is told of each time that it was gone when it should have been ours:
 * this process slept for longer than it lasts, or its keeper lost it; it is then taken again where nobody else has it.
 *
 * Throws `conflict` where another holder keeps it for all of `waitMs`, which outlasts a dead one. A keeper that does not
 * answer stops no start: the lease is taken as soon as it does.
 */
export async function keepLease(input: {
  lease: LeasePort;
  proxyId: string;
  waitMs: number;
  renewEveryMs: number;
  onLost: (state: LeaseState) => void;
}): Promise<LeaseKeeper> {
  const { lease, onLost } = input;
  let state = await claim(input);
  let held = state === 'held';
  let running: Promise<void> = Promise.resolve();
  let busy = false;
  const renew = async (): Promise<void> => {
    busy = true;
    try {
      if (await lease.renew()) {
        state = 'held';
        held = true;
        return;
      }
      state = (await lease.acquire()) ? 'held' : 'taken';
      if (held) onLost(state);
      held = state === 'held';
    } catch {
      // It may run out or stand: the next answer tells.
      state = 'unknown';
    } finally {
      busy = false;
    }
  };
  const timer = setInterval(() => {
    if (!busy) running = renew();
  }, input.renewEveryMs).unref();
  return {
    state: () => state,
    async stop() {
      clearInterval(timer);
      await running;
      await lease.release().catch(() => undefined);
    },
  };
}

async function claim(input: { lease: LeasePort; proxyId: string; waitMs: number }): Promise<LeaseState> {
  const beganAt = performance.now();
  for (;;) {
    const taken = await input.lease.acquire().catch(() => null);
    if (taken === true) return 'held';
    const waitedMs = performance.now() - beganAt;
    if (taken === null && waitedMs >= answerWithinMs) return 'unknown';
    if (taken === false && waitedMs >= input.waitMs) break;
    await new Promise((resolve) => setTimeout(resolve, taken === null ? retryEveryMs / 10 : retryEveryMs));
  }
  throw new HocError({
    code: 'conflict',
    publicMessage: `Another proxy, with a spool of its own, runs as ${input.proxyId}. Give each proxy its own HOC_PROXY_ID.`,
  });
}
