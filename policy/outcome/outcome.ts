import type { Outcome, Proximity, RunStatus } from '../../storage/schema/run.ts';

/**
 * The outcome of a finished run, by the first line that fits: `prevented` (blocked or truncated), `failure` (failed or
 * abandoned), `near_threshold` (succeeded or cancelled, with proximity near or breach), else `success`.
 */
export function classifyOutcome(run: { status: Exclude<RunStatus, 'running'>; proximity: Proximity }): Outcome {
  switch (run.status) {
    case 'blocked':
    case 'truncated':
      return 'prevented';
    case 'failed':
    case 'abandoned':
      return 'failure';
    case 'succeeded':
    case 'cancelled':
      return run.proximity === 'ok' ? 'success' : 'near_threshold';
  }
}
