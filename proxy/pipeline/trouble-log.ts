/** Where this process says what no caller hears of. */
export interface LogPort {
  info(fields: Readonly<Record<string, unknown>>, message: string): void;
  warn(fields: Readonly<Record<string, unknown>>, message: string): void;
}

export interface TroubleLog {
  /** The trouble was met: said at its beginning, and then at most once a minute with how often it was. */
  met(error: unknown): void;
  /** It is over, if there was any: said once. */
  over(): void;
}

const secondMs = 1_000;
const remindMs = 60_000;

/** Says that one trouble began, lasts and ended, however often it is met: a log must not grow with what is retried. */
export function createTroubleLog(input: {
  log: LogPort;
  nowMs: () => number;
  began: string;
  ended: string;
}): TroubleLog {
  let trouble: { beganAtMs: number; saidAtMs: number; times: number } | null = null;
  const lastedS = (beganAtMs: number): number => Math.round((input.nowMs() - beganAtMs) / secondMs);
  return {
    met(error) {
      const nowMs = input.nowMs();
      if (trouble === null) {
        trouble = { beganAtMs: nowMs, saidAtMs: nowMs, times: 1 };
        input.log.warn({ err: error }, input.began);
        return;
      }
      trouble.times += 1;
      if (nowMs - trouble.saidAtMs < remindMs) return;
      trouble.saidAtMs = nowMs;
      const { beganAtMs, times } = trouble;
      input.log.warn({ err: error, times, lasts_s: lastedS(beganAtMs) }, `still: ${input.began}`);
    },
    over() {
      if (trouble === null) return;
      const { beganAtMs, times } = trouble;
      trouble = null;
      input.log.info({ times, lasted_s: lastedS(beganAtMs) }, input.ended);
    },
  };
}
