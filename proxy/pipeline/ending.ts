import type { RunStatus } from '../../storage/schema/run.ts';
import type { AnswerFacts } from '../dialects/dialect.ts';
import type { Captured } from './capture.ts';
import type { UpstreamHead } from './ports.ts';
import type { Refusal } from './run.ts';

/** How a run ended. */
export interface Ending {
  status: Exclude<RunStatus, 'running'>;
  /** What refused the run (blocked) or cut it (truncated). */
  refusal: Refusal | null;
  /** Whether any of the request reached a connection to the provider. */
  sent: boolean;
  head: UpstreamHead | null;
  httpStatus: number | null;
  facts: AnswerFacts | null;
  captured: Captured | null;
  streamed: boolean;
  ttftMs: number | null;
  altered: boolean;
  /** 1, or how many identical refusals this record stands for. */
  count: number;
}
