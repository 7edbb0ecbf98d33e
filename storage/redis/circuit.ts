export interface Circuit {
  isOpen(): boolean;
  succeeded(): void;
  failed(): void;
  /** Stops probing for good. */
  close(): void;
}

/**
 * A circuit breaker: open after `failures` failures in a row, closed again by the first success.
 *
 * While it is open it probes every `probeMs`, with one probe under way at most, so that an engine that hangs costs one
 * pending command and not one for each caller. `onOpened` is called when it opens, `onRecovered` when it closes again. Its
 * timer keeps no process alive.
 */
export function createCircuit(options: {
  failures: number;
  probeMs: number;
  probe: () => Promise<unknown>;
  onOpened?: () => void;
  onRecovered: () => void;
}): Circuit {
  let failed = 0;
  let probing = false;
  let timer: NodeJS.Timeout | null = null;

  const stop = () => {
    if (timer !== null) clearInterval(timer);
    timer = null;
  };
  const succeeded = () => {
    failed = 0;
    if (timer === null) return;
    stop();
    options.onRecovered();
  };
  const probe = () => {
    if (probing) return;
    probing = true;
    // A failed probe leaves the circuit open: the next one follows by the timer.
    options
      .probe()
      .then(succeeded, () => undefined)
      .finally(() => {
        probing = false;
      });
  };
  let closed = false;
  return {
    isOpen: () => timer !== null,
    succeeded,
    failed() {
      failed += 1;
      if (failed < options.failures || timer !== null || closed) return;
      timer = setInterval(probe, options.probeMs);
      timer.unref();
      options.onOpened?.();
    },
    close() {
      closed = true;
      stop();
    },
  };
}
