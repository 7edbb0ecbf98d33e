import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { secondOpinionQuerySchema } from '../contract/decisions.ts';
import type { ControlContext } from '../operations/context.ts';
import { askSecondOpinion } from '../operations/decisions/second-opinion.ts';
import { principalOf } from './access.ts';

/** What can be asked about policies. */
export function policyRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get(
      '/policies/second-opinion',
      { config: { permission: 'runs.read' }, schema: { querystring: secondOpinionQuerySchema } },
      async (request) => askSecondOpinion(context, principalOf(request), request.query),
    );
  };
}
