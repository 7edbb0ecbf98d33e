import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { acceptGapSchema } from '../contract/api.ts';
import type { ControlContext } from '../operations/context.ts';
import { acceptGap } from '../operations/counters/accept-gap.ts';
import { principalOf } from './access.ts';

/** What an operator can do about limits. */
export function limitRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.post(
      '/limits/accept-gap',
      { config: { permission: 'limits.write' }, schema: { body: acceptGapSchema } },
      async (request) => acceptGap(context, principalOf(request), request.body.proxy),
    );
  };
}
