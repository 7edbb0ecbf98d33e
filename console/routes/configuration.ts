import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { applyRequestSchema } from '../contract/api.ts';
import { largestConfigurationBytes, renderConfigurationSchema } from '../contract/configuration.ts';
import { applyConfiguration } from '../operations/apply-configuration.ts';
import type { ControlContext } from '../operations/context.ts';
import { principalOf } from './access.ts';

/** A file's text as a JSON string can take more bytes than the file. */
const bodyLimit = 3 * largestConfigurationBytes;

/** `POST /apply` and the published schema of what it takes. */
export function configurationRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.post(
      '/apply',
      { config: { permission: 'configuration.apply' }, schema: { body: applyRequestSchema }, bodyLimit },
      async (request) => {
        const { file, text, secrets, dry_run: dryRun, adopt } = request.body;
        return applyConfiguration(context, principalOf(request), {
          file,
          text,
          secrets: new Map(Object.entries(secrets ?? {})),
          dryRun: dryRun ?? false,
          adopt: adopt ?? false,
        });
      },
    );
    server.get('/configuration-schema', { config: { permission: 'public' } }, async (_request, reply) =>
      reply.type('application/schema+json').send(renderConfigurationSchema()),
    );
  };
}
