import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import type { ControlContext } from '../operations/context.ts';
import { listOpenRebuilds, takeMarks, takeSpoolReport } from '../operations/counters/reports.ts';

const strict = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
/** What is only shown, never counted with. */
const measure = Type.Number();
const name = Type.String({ minLength: 1, maxLength: 200 });
const epoch = Type.String({ minLength: 1, maxLength: 100 });
const tenant = Type.String({ minLength: 1, maxLength: 63 });

const spoolBody = Type.Object(
  {
    proxy_id: name,
    proxy_epoch: count,
    at_ms: measure,
    running: Type.Boolean(),
    backlog_bytes: measure,
    // Null first: the validator converts, and would take null for the number 0 where that is allowed too.
    oldest_at_ms: Type.Union([Type.Null(), measure]),
    open_runs: measure,
    unsettled_runs: measure,
    damaged_frames: measure,
    torn_tails: measure,
    missing_segments: measure,
    refused_rows: measure,
    quarantined_bytes: measure,
    lost_leases: measure,
    marks: Type.Array(Type.Object({ tenant, counter_epoch: epoch }, strict), { maxItems: 100_000 }),
  },
  // A shipper of a later version may say more.
  { additionalProperties: true },
);

const window = Type.Union([
  Type.Object({ align: Type.Literal('none') }, strict),
  Type.Object({ align: Type.Literal('rolling'), windowMs: count }, strict),
  Type.Object({ align: Type.Literal('calendar'), unitMs: count }, strict),
  Type.Object({ align: Type.Literal('calendar'), months: count }, strict),
]);

const openRun = Type.Object(
  {
    runId: name,
    atMs: count,
    expiresInMs: count,
    items: Type.Array(
      Type.Object(
        {
          key: Type.String({ minLength: 1, maxLength: 1_000 }),
          window,
          amount: Type.String({ pattern: '^(0|[1-9][0-9]{0,15})$' }),
          atMs: Type.Optional(count),
        },
        strict,
      ),
      { maxItems: 1_000 },
    ),
  },
  strict,
);

const marksBody = Type.Object(
  {
    reports: Type.Array(
      Type.Object(
        {
          proxyId: name,
          proxyEpoch: count,
          tenant,
          counterEpoch: epoch,
          lastSeq: count,
          open: Type.Array(openRun, { maxItems: 100_000 }),
        },
        strict,
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
  },
  strict,
);

/** Ten thousand open runs of a few limits each take about 5 MB. */
const marksBodyLimit = 64 * 1024 * 1024;
const spoolBodyLimit = 8 * 1024 * 1024;

/** What shippers and proxies tell of spools and counters; control's answers to new counter epochs come from here. */
export function counterRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.post(
      '/spools',
      { config: { permission: 'node.snapshot' }, schema: { body: spoolBody }, bodyLimit: spoolBodyLimit },
      async (request) => {
        await takeSpoolReport(context, request.body);
        return { known: true };
      },
    );
    server.post(
      '/marks',
      { config: { permission: 'node.snapshot' }, schema: { body: marksBody }, bodyLimit: marksBodyLimit },
      async (request) => takeMarks(context, request.body.reports),
    );
    server.get('/marks', { config: { permission: 'node.snapshot' } }, async () => ({
      rebuilds: await listOpenRebuilds(context),
    }));
  };
}
