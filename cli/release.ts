/** Set by the supervisor for a child that may load its code but not yet run: what it needs is still starting. */
const variable = 'HOC_AWAIT_RELEASE';

/**
 * Waits until the supervisor releases this process by a byte on standard input; returns at once where it was not asked to
 * wait. Loading the code while the engines start saves a second of every `hoc start`. Ends the process when the supervisor
 * has gone.
 */
export async function awaitRelease(env: NodeJS.ProcessEnv): Promise<void> {
  if (env[variable] !== '1') return;
  const leave = (): void => process.exit(0);
  process.stdin.once('end', leave);
  await new Promise((resolve) => process.stdin.once('data', resolve));
  process.stdin.off('end', leave);
  process.stdin.pause();
}
