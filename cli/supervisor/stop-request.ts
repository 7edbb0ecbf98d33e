/** Why a start ends: asked by a person or script, or because a child cannot be kept alive. */
export type StopReason = { kind: 'asked' } | { kind: 'fatal'; cause: string };

export interface StopRequest {
  /** Settles once, with the first reason. */
  readonly requested: Promise<StopReason>;
  isRequested(): boolean;
  request(reason: StopReason): void;
  /** Called at every further signal after the first. */
  onForce(force: () => void): void;
  /** Stops listening to signals. */
  close(): void;
}

const signals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;

/**
 * Turns SIGTERM, SIGINT and SIGHUP into one request to stop, and a further one into force. With `parentPipe` the end of
 * stdin is a request too, so that whoever started us through a pipe cannot leave us behind.
 */
export function listenForStop(parentPipe: boolean): StopRequest {
  let settle: (reason: StopReason) => void = () => undefined;
  let asked = false;
  let force: () => void = () => undefined;
  const requested = new Promise<StopReason>((resolve) => {
    settle = resolve;
  });
  const request = (reason: StopReason): void => {
    asked = true;
    settle(reason);
  };
  const onSignal = (): void => {
    if (asked) force();
    else request({ kind: 'asked' });
  };
  for (const signal of signals) process.on(signal, onSignal);
  if (parentPipe) {
    process.stdin.on('end', () => request({ kind: 'asked' }));
    process.stdin.on('error', () => request({ kind: 'asked' }));
    process.stdin.resume();
  }
  return {
    requested,
    isRequested: () => asked,
    request,
    onForce: (then) => {
      force = then;
    },
    close: () => {
      for (const signal of signals) process.off(signal, onSignal);
      if (parentPipe) process.stdin.destroy();
    },
  };
}
