import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { ControlContext } from '../operations/context.ts';
import { type DiagnosisPort, diagnose } from '../operations/diagnose.ts';
import { listTenants } from '../operations/tenants.ts';

/** The installation as a whole: its tenants, and what is wrong with it. */
export function installationRoutes(context: ControlContext, diagnosis: DiagnosisPort): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get('/tenants', { config: { permission: 'tenants.read' } }, async () => ({
      tenants: await listTenants(context),
    }));
    server.get('/doctor', { config: { permission: 'installation.read' } }, async () => ({
      findings: await diagnose(context, diagnosis),
    }));
  };
}
