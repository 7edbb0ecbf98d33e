import type { ControlContext } from '../operations/context.ts';

const holderBytes = 8;

/** Work that one control at a time does, again and again. */
export interface LeasedWork {
  lease: string;
  /** How long after its death a control's lease is free; it is renewed three times as often while work is under way. */
  leaseMs: number;
  /** From one look to the next; work that takes longer is followed at once. */
  everyMs: number;
  /** With the lease held. */
  work(): Promise<void>;
  /** While another control holds it. */
  rest?(): Promise<void> | void;
  /** After every look, whoever held the lease and however it went. */
  show?(): Promise<void>;
  /** What failed, for the log. */
  failed: string;
}

/**
 * Does the work until the returned function is called, whenever this control gets the lease. It stands on a timer and not
 * on the queue, so that it goes on where the queue's Redis has lost its jobs, and no long job holds it up. What fails is
 * said once and tried again; ending waits for the look that is under way.
 */
export function keepLeased(context: ControlContext, leased: LeasedWork): () => Promise<void> {
  const lease = { name: leased.lease, holder: context.randomHex(holderBytes), ttlMs: leased.leaseMs };
  const take = () => context.store.transaction((tx) => tx.takeLease(lease));
  let ended = false;
  let trouble: string | null = null;
  let timer: NodeJS.Timeout | null = null;

  async function lookOnce(): Promise<void> {
    if (!(await take())) return leased.rest?.();
    // A renewal that fails leaves the lease to lapse; then the work is done twice at worst, which both uses allow.
    const renewing = setInterval(() => void take().catch(() => undefined), leased.leaseMs / 3);
    try {
      await leased.work();
    } finally {
      clearInterval(renewing);
    }
  }

  async function look(): Promise<void> {
    const startedMs = performance.now();
    try {
      await lookOnce();
      trouble = null;
    } catch (error) {
      const text = error instanceof Error ? error.message : 'unknown';
      if (text !== trouble) context.log.warn({ err: error }, `${leased.failed}; trying again`);
      trouble = text;
    }
    await leased.show?.().catch(() => undefined);
    const tookMs = performance.now() - startedMs;
    if (!ended) timer = setTimeout(run, Math.max(0, leased.everyMs - tookMs));
  }

  let running = Promise.resolve();
  const run = (): void => {
    running = look();
  };
  run();
  return async () => {
    ended = true;
    if (timer !== null) clearTimeout(timer);
    await running;
  };
}
