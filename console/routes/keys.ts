import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { createKeySchema } from '../contract/api.ts';
import type { ControlContext } from '../operations/context.ts';
import { createKey, listKeys, revokeKey } from '../operations/keys.ts';
import { principalOf } from './access.ts';

const listQuery = Type.Object(
  { tenant: Type.Optional(Type.String({ maxLength: 63 })) },
  { additionalProperties: false },
);
const keyParams = Type.Object({ id: Type.String({ maxLength: 100 }) });

/** API keys: list, create (secret shown once), revoke. */
export function keyRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get(
      '/keys',
      { config: { permission: 'keys.read' }, schema: { querystring: listQuery } },
      async (request) => ({
        keys: await listKeys(context, request.query.tenant ?? null),
      }),
    );
    server.post(
      '/keys',
      { config: { permission: 'keys.write' }, schema: { body: createKeySchema } },
      async (request, reply) => {
        const key = await createKey(context, principalOf(request), request.body);
        return reply.code(201).header('cache-control', 'no-store').send(key);
      },
    );
    server.post(
      '/keys/:id/revoke',
      { config: { permission: 'keys.write' }, schema: { params: keyParams } },
      async (request) => revokeKey(context, principalOf(request), request.params.id),
    );
  };
}
