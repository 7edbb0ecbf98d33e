import type { BatchSeal } from '../../storage/schema/audit.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { SpoolReport } from '../../storage/schema/live.ts';

const timeoutMs = 10_000;

/** What a shipper tells control. Each rejects with `engine_unavailable` where control does not acknowledge in 10 s. */
export interface ControlPosts {
  seals(seals: readonly BatchSeal[]): Promise<void>;
  report(report: SpoolReport): Promise<void>;
}

/** Makes the calls that post to control's `/internal/v1`. An error names the status and never the token. */
export function createControlPosts(input: { controlUrl: string; token: string }): ControlPosts {
  const post = async (path: string, what: string, body: unknown): Promise<void> => {
    let response: Response;
    try {
      response = await fetch(new URL(path, input.controlUrl), {
        method: 'POST',
        headers: { authorization: `Bearer ${input.token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
        redirect: 'error',
        signal: AbortSignal.timeout(timeoutMs),
      });
      await response.arrayBuffer();
    } catch (cause) {
      throw new HocError({ code: 'engine_unavailable', publicMessage: 'Control does not answer.', cause });
    }
    if (response.ok) return;
    throw new HocError({
      code: 'engine_unavailable',
      publicMessage: `Control answered ${response.status} to ${what}.`,
    });
  };
  return {
    seals: (seals) => post('/internal/v1/batches', 'seals', { seals }),
    report: (report) => post('/internal/v1/spools', 'a report of the spool', report),
  };
}
