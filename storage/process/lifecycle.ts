/** Tells whoever started this process that it is ready, and where it listens: one JSON line on standard output. */
export function announceReady(process_: string, listen: Readonly<Record<string, string>>): void {
  process.stdout.write(`${JSON.stringify({ ready: true, process: process_, listen })}\n`);
}

/**
 * Runs `stop` once on SIGTERM or SIGINT, or, for a child of our own supervisor (`watchParent`), when the pipe on standard
 * input closes; then exits with 0, or with 1 where `stop` rejects.
 */
export function onShutdown(watchParent: boolean, stop: () => Promise<void>): void {
  let stopping = false;
  const end = () => {
    if (stopping) return;
    stopping = true;
    stop().then(
      () => process.exit(0),
      (error: unknown) => {
        process.stderr.write(`${JSON.stringify({ level: 50, msg: 'stopping failed', error: String(error) })}\n`);
        process.exit(1);
      },
    );
  };
  process.on('SIGTERM', end);
  process.on('SIGINT', end);
  if (!watchParent) return;
  process.stdin.on('end', end);
  process.stdin.on('close', end);
  process.stdin.on('error', end);
  process.stdin.resume();
}
