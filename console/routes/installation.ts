import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { acknowledgeSchema } from '../contract/api.ts';
import type { ControlContext } from '../operations/context.ts';
import { acknowledgeFinding, type DiagnosisPort, diagnose } from '../operations/diagnose.ts';
import { listTenants } from '../operations/tenants.ts';
import { principalOf } from './access.ts';

/** The installation as a whole: its tenants, and what is wrong with it. */
export function installationRoutes(context: ControlContext, diagnosis: DiagnosisPort): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get('/tenants', { config: { permission: 'tenants.read' } }, async () => ({
      tenants: await listTenants(context),
    }));
    server.get('/doctor', { config: { permission: 'installation.read' } }, async () => ({
      findings: await diagnose(context, diagnosis),
    }));
    server.post(
      '/doctor/acknowledge',
      { config: { permission: 'installation.write' }, schema: { body: acknowledgeSchema } },
      async (request) => {
        const { finding: id, reason } = request.body;
        return acknowledgeFinding(context, principalOf(request), { port: diagnosis, id, reason });
      },
    );
  };
}
