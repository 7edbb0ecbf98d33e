import { rereadRequest } from './change-request.ts';
import type { Identified, Read, Run } from './run.ts';

/**
 * Puts the tenant's output cap into a request that states none, or a larger one: a textual change of the outgoing body
 * alone, made before the price so that the price sees it. The run is marked.
 *
 * Formats without such a cap stay untouched. A body that came compressed goes out plain, or the cap could be evaded.
 */
export function capOutput(run: Run, identified: Identified, request: Read): Read {
  const cap = identified.tenant.document.max_output_tokens;
  const { dialect } = request;
  if (cap === undefined || dialect.change === null || request.parsed === undefined) return request;
  const { plain, parsed } = request;
  const plan = { capOutputTokens: cap };
  const changed = dialect.change({ bytes: plain, body: parsed, route: identified.route, plan });
  if (changed.failed.length > 0 || changed.bytes === plain) return request;
  run.marks.add('output_capped');
  return rereadRequest(identified, request, changed.bytes);
}
