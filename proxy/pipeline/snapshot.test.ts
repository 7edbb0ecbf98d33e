import t from 'tap';
import type { PolicyDocument, SnapshotDocument } from '../../storage/schema/snapshot.ts';
import { compileSnapshot, createBreathe } from './snapshot.ts';

t.test(
  'a large document is compiled in slices: no five milliseconds pass without the event loop having its turn',
  async (t) => {
    const policies = Array.from({ length: 300 }, (_, index) => ({
      ...{ id: `p${index}`, version: 1, phase: 'request' as const, mode: 'enforce' as const, scope: {} },
      ...{ when: { '==': [{ var: 'request.model' }, `m${index}`] }, on_error: 'deny' as const },
      then: { action: 'deny' as const, reason: 'no' },
    }));
    const policy: PolicyDocument = {
      ...{ v: 1, kind: 'policy', tenant: 'acme', state: 'active', capture: 'metadata' },
      ...{ sub_tenants: [], providers: [], limits: [], policies },
    };
    const documents: Record<string, SnapshotDocument> = {
      prices: { v: 1, kind: 'prices', source: 'test', lists: [] },
      keys: { v: 1, kind: 'keys', tenant: 'acme', keys: [] },
      policy,
    };
    let nowMs = 0;
    let turns = 0;
    let working = true;
    const turn = () => {
      turns += 1;
      if (working) setImmediate(turn);
    };
    setImmediate(turn);
    const snapshot = await compileSnapshot({
      manifestId: 'm',
      manifest: {
        ...{
          v: 1,
          kind: 'manifest',
          sequence: 1,
          issued_at_ms: 0,
          prices: 'prices',
          proxies: 1,
          credentials_version: 0,
        },
        tenants: [{ tenant: 'acme', policy: 'policy', keys: 'keys' }],
      },
      documents: (id) => documents[id] ?? policy,
      previous: null,
      // Each look at the clock takes a millisecond here, and each policy one look.
      breathe: createBreathe(() => nowMs++),
    });
    working = false;
    t.equal(snapshot.tenants.get('acme')?.policies.policiesOf('request').length, 300);
    t.ok(turns >= 300 / 6, `${turns} turns`);
  },
);
