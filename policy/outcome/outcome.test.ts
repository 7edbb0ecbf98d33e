import t from 'tap';
import { classifyOutcome } from './index.ts';

t.test('an outcome follows the first line of the vocabulary that fits', async (t) => {
  const proximities = ['ok', 'near', 'breach'] as const;
  const table = {
    blocked: ['prevented', 'prevented', 'prevented'],
    truncated: ['prevented', 'prevented', 'prevented'],
    failed: ['failure', 'failure', 'failure'],
    abandoned: ['failure', 'failure', 'failure'],
    succeeded: ['success', 'near_threshold', 'near_threshold'],
    cancelled: ['success', 'near_threshold', 'near_threshold'],
  } as const;
  for (const [status, outcomes] of Object.entries(table)) {
    const run = { status: status as keyof typeof table };
    t.strictSame(
      proximities.map((proximity) => classifyOutcome({ ...run, proximity })),
      outcomes,
      status,
    );
  }
});
