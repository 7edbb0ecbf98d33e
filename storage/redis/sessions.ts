import type { Redis } from './connection.ts';
import { sessionKeys } from './keys.ts';
import { createScript, readReplyError, sessionsSource } from './script.ts';

/** A run as its session remembers it. Both digests are lower-case hex: no text of a caller's stands in a key. */
export interface SessionRun {
  tenant: string;
  runId: string;
  sessionDigest: string;
  promptDigest: string;
}

/** Runs of a session within the last hour, the run itself included; at most 1,000 are remembered. */
export interface SessionCounts {
  runs: number;
  runsLastMinute: number;
  /** Runs with the very prompt of this one. */
  samePrompt: number;
}

export interface Sessions {
  /**
   * Notes a run and tells how often its session ran. The same run twice counts once. Null where Redis does not answer
   * within the time-out, or is not connected; never rejects.
   */
  note(run: SessionRun): Promise<SessionCounts | null>;
}

const rememberedMs = 3_600_000;
const mostRuns = 1_000;

/**
 * Session counters in Redis, by Redis' clock. They are no limits: after a loss they begin anew. `onError` is told what Redis
 * answers as an error, not that it is away.
 */
export function createSessions(
  redis: Redis,
  options: { timeoutMs: number; onError: (error: unknown) => void; source?: string },
): Sessions {
  const script = createScript(redis, options.source ?? sessionsSource());
  return {
    note({ tenant, runId, sessionDigest, promptDigest }) {
      const keys = sessionKeys(tenant, { sessionDigest, promptDigest });
      const asked = script.run(keys, [runId, String(rememberedMs), String(mostRuns)]).then(readCounts);
      return new Promise((resolve) => {
        const timer = setTimeout(() => resolve(null), options.timeoutMs);
        asked.then(resolve, (error: unknown) => {
          if (readReplyError(error) !== null) options.onError(error);
          resolve(null);
        });
        asked.finally(() => clearTimeout(timer)).catch(() => undefined);
      });
    },
  };
}

function readCounts(answer: unknown): SessionCounts {
  const [runs, runsLastMinute, samePrompt] = Array.isArray(answer) ? (answer as readonly unknown[]).map(Number) : [];
  if (runs === undefined || runsLastMinute === undefined || samePrompt === undefined) {
    throw new Error('an answer of the sessions script that cannot be read');
  }
  return { runs, runsLastMinute, samePrompt };
}
