import type { CallerAnswer } from './call.ts';
import { forwardableAnswerHeaders } from './headers.ts';
import type { UpstreamHead } from './ports.ts';

/** What becomes of the body behind a head. */
export interface HeadForm {
  runId: string;
  /** Its length changes on the way. */
  resized?: boolean;
  /** It is another one, of this many bytes. */
  rewritten?: number;
}

/** Passes a provider's head on to the caller. Returns the cause where HTTP does not allow that head; null where it is sent. */
export function writeAnswerHead(caller: CallerAnswer, head: UpstreamHead, form: HeadForm): unknown {
  const { rewritten } = form;
  const headers = forwardableAnswerHeaders(head.headers, {
    resized: form.resized === true,
    rewritten: rewritten !== undefined,
  });
  if (rewritten !== undefined) headers.push('content-length', String(rewritten));
  headers.push('x-hoc-run-id', form.runId);
  try {
    caller.writeHead(head.status, reasonOf(head.statusText), headers);
    return null;
  } catch (cause) {
    return cause;
  }
}

/** A reason phrase that may be sent on: HTTP allows tabs and visible text. */
function reasonOf(text: string): string {
  return /^[\t\x20-\x7e]*$/.test(text) ? text : '';
}
