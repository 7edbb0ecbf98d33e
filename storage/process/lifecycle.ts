/** Tells whoever started this process that it is ready, and where it listens: one JSON line on standard output. */
export function announceReady(process_: string, listen: Readonly<Record<string, string>>): void {
  process.stdout.write(`${JSON.stringify({ ready: true, process: process_, listen })}\n`);
}

/**
 * Resolves when the process is asked to end: by SIGTERM or SIGINT, or, for a child of our own supervisor (`watchParent`),
 * when the pipe on standard input closes.
 */
export function waitForEnd(watchParent: boolean): Promise<void> {
  return new Promise((resolve) => {
    const end = () => {
      // An open pipe would keep the process alive after everything else has ended.
      if (watchParent) process.stdin.destroy();
      resolve();
    };
    process.once('SIGTERM', end);
    process.once('SIGINT', end);
    if (!watchParent) return;
    for (const event of ['end', 'close', 'error']) process.stdin.once(event, end);
    process.stdin.resume();
  });
}

/** Runs `stop` once the process is asked to end, then exits with 0, or with 1 where `stop` rejects. */
export function onShutdown(watchParent: boolean, stop: () => Promise<void>): void {
  waitForEnd(watchParent)
    .then(stop)
    .then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${JSON.stringify({ level: 50, msg: 'stopping failed', error: String(error) })}\n`);
        process.exit(1);
      },
    );
}
