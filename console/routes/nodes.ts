import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { HocError } from '../../storage/schema/errors.ts';
import { sealBatches } from '../operations/batches.ts';
import type { ControlContext } from '../operations/context.ts';
import { enrolNode, sealCredentials } from '../operations/nodes.ts';
import { hashToken } from '../operations/principal.ts';
import { readDocument, readManifest } from '../operations/snapshot/read.ts';
import { principalOf, readBearer } from './access.ts';

const strict = { additionalProperties: false } as const;
const count = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });
const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' });

const batchesBody = Type.Object(
  {
    seals: Type.Array(
      Type.Object(
        {
          batch_id: Type.String({ minLength: 1, maxLength: 200 }),
          /** Empty for runs whose tenant could not be told: the platform's log. */
          tenant: Type.String({ pattern: '^([a-z0-9][a-z0-9-]{0,62})?$' }),
          proxy_id: Type.String({ minLength: 1, maxLength: 200 }),
          proxy_epoch: count,
          first_seq: count,
          last_seq: count,
          leaves: count,
          root: sha256,
        },
        strict,
      ),
      { minItems: 1, maxItems: 10_000 },
    ),
  },
  strict,
);

const enrolBody = Type.Object(
  { name: Type.String({ minLength: 1, maxLength: 100 }), public_key: Type.String({ minLength: 1, maxLength: 500 }) },
  strict,
);

const batchesBodyLimit = 8 * 1024 * 1024;

/** What proxies and shippers ask of control. */
export function nodeRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get('/manifest', { config: { permission: 'node.snapshot' } }, async () => readManifest(context));
    server.get(
      '/documents/:sha256',
      { config: { permission: 'node.snapshot' }, schema: { params: Type.Object({ sha256 }) } },
      async (request, reply) => reply.type('application/json').send(await readDocument(context, request.params.sha256)),
    );
    server.post(
      '/batches',
      { config: { permission: 'node.snapshot' }, schema: { body: batchesBody }, bodyLimit: batchesBodyLimit },
      async (request) => sealBatches(context, principalOf(request), request.body.seals),
    );
    server.post(
      '/enrol',
      { config: { permission: 'node.enrol' }, schema: { body: enrolBody } },
      async (request, reply) => {
        const enrolment = await enrolNode(context, principalOf(request), request.body);
        return reply.header('cache-control', 'no-store').send(enrolment);
      },
    );
    server.get('/credentials', { config: { permission: 'node.credentials' } }, async (request) => {
      const token = readBearer(request);
      if (token === null) throw new HocError({ code: 'unauthenticated', publicMessage: 'A node token is required' });
      return sealCredentials(context, hashToken(token));
    });
  };
}
