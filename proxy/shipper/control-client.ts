import type { BatchSeal } from '../../storage/schema/audit.ts';
import { HocError } from '../../storage/schema/errors.ts';

const timeoutMs = 10_000;

/**
 * Makes the call that posts seals to control's `/internal/v1/batches`. Rejects with `engine_unavailable` where control does
 * not answer in 10 s or does not acknowledge; the error names the status and never the token.
 */
export function createSealPost(input: {
  controlUrl: string;
  token: string;
}): (seals: readonly BatchSeal[]) => Promise<void> {
  const url = new URL('/internal/v1/batches', input.controlUrl);
  return async (seals) => {
    let response: Response;
    try {
      response = await fetch(url, {
        method: 'POST',
        headers: { authorization: `Bearer ${input.token}`, 'content-type': 'application/json' },
        body: JSON.stringify({ seals }),
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
      publicMessage: `Control answered ${response.status} to seals.`,
    });
  };
}
