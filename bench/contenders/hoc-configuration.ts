/** What is switched on in the contender `hoc`, as the bench's result states it. */
export const hocSettings = {
  capture: 'full',
  durability: 'process',
  limits: ['requests by key', 'requests by sub-tenant', 'money by tenant'],
  policies: 3,
  shipping: true,
};

/**
 * The configuration of the contender `hoc`: nothing that a customer would have is left out. No policy and no limit stops a
 * run, so that every contender does the same work upstream.
 */
export function hocConfiguration(upstream: string): string {
  return JSON.stringify(
    {
      tenants: [
        {
          slug: 'bench',
          subTenants: [{ slug: 'load' }],
          capture: 'full',
          providers: [
            { slug: 'openai', baseUrl: upstream, credential: 'passthrough', askUsage: 'never', allowPrivate: true },
          ],
          keys: [{ name: 'app', secretEnv: 'HOC_KEY_BENCH', provider: 'openai', subTenant: 'load' }],
          policies: [
            deny('no-big-models', { in: [{ var: 'request.model' }, ['gpt-4', 'gpt-4-32k']] }),
            deny('no-huge-requests', { '>': [{ var: 'request.body_bytes' }, 1_000_000] }),
            {
              id: 'many-messages',
              phase: 'request',
              when: { '>': [{ var: 'request.message_count' }, 200] },
              then: { action: 'warn', reason: 'A very long conversation' },
            },
          ],
          limits: [
            { id: 'key-rate', kind: 'requests', ceiling: 1_000_000_000, window: '1m', align: 'rolling', by: ['key'] },
            {
              id: 'team-rate',
              kind: 'requests',
              ceiling: 1_000_000_000,
              window: '1d',
              align: 'calendar',
              by: ['subTenant'],
            },
            { id: 'budget', kind: 'money', ceilingUsd: '1000000', window: '1mo', align: 'calendar', by: [] },
          ],
        },
      ],
    },
    null,
    2,
  );
}

function deny(id: string, when: object): object {
  return { id, phase: 'request', mode: 'enforce', when, then: { action: 'deny', reason: 'Not allowed here' } };
}
