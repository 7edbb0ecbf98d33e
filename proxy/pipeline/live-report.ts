import type { LiveState } from '../../storage/schema/live.ts';

const pollMs = 500;
const secondMs = 1_000;

/**
 * Says once a second what is in force here, and looks for a new manifest twice a second, and at once where one is pushed.
 * `write` and `subscribe` reject where nobody listens: the next second tells again.
 */
export async function reportLive(input: {
  read: () => LiveState;
  write: (state: LiveState) => Promise<void>;
  /** Calls back at each push; resolves to what ends it. */
  subscribe: (onPush: () => void) => Promise<() => Promise<void>>;
  refresh: () => Promise<void>;
  onFailure: (error: unknown) => void;
}): Promise<{ stop: () => Promise<void> }> {
  const unsubscribe = await input.subscribe(() => void input.refresh());
  const write = () => input.write(input.read()).catch(input.onFailure);
  const timers = [setInterval(() => void input.refresh(), pollMs), setInterval(() => void write(), secondMs)];
  return {
    async stop() {
      for (const timer of timers) clearInterval(timer);
      await unsubscribe();
    },
  };
}
