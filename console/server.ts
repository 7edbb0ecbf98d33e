import { randomUUID } from 'node:crypto';
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify';
import type { ControlContext } from './operations/context.ts';
import type { DiagnosisPort } from './operations/diagnose.ts';
import type { EnvironmentTokens } from './operations/principal.ts';
import { guardRoutes } from './routes/access.ts';
import { configurationRoutes } from './routes/configuration.ts';
import { counterRoutes } from './routes/counters.ts';
import { installationRoutes } from './routes/installation.ts';
import { keyRoutes } from './routes/keys.ts';
import { limitRoutes } from './routes/limits.ts';
import { nodeRoutes } from './routes/nodes.ts';
import { policyRoutes } from './routes/policies.ts';
import { sendProblem, sendUnknownRoute } from './routes/problem.ts';
import { runRoutes } from './routes/runs.ts';

const bodyLimit = 1024 * 1024;

export interface ServerParts {
  context: ControlContext;
  diagnosis: DiagnosisPort;
  tokens: EnvironmentTokens;
  log: FastifyBaseLogger;
  /** Hears of every answer: route pattern (bounded) and status. */
  onAnswer(route: string, status: number): void;
}

/**
 * Builds the console's server: guards first, then one plugin for each domain. Registering order is the order of this list;
 * the guards stand before everything, so that no route exists without them.
 */
export async function createServer(parts: ServerParts): Promise<FastifyInstance> {
  const server = fastify({
    loggerInstance: parts.log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit,
    requestTimeout: 60_000,
    genReqId: () => randomUUID(),
    routerOptions: { maxParamLength: 200 },
    frameworkErrors: sendProblem,
    ajv: { customOptions: { coerceTypes: 'array', removeAdditional: false, allErrors: false } },
  });
  server.setErrorHandler(sendProblem);
  server.setNotFoundHandler(sendUnknownRoute);
  guardRoutes(server, parts.context, parts.tokens);
  server.addHook('onResponse', async (request, reply) => {
    parts.onAnswer(request.routeOptions.url ?? 'none', reply.statusCode);
  });
  server.addHook('onSend', async (_request, reply) => {
    reply.header('x-content-type-options', 'nosniff');
  });
  server.get('/', { config: { permission: 'public' } }, async () => ({
    name: 'HOC control',
    api: '/api/v1',
    configuration_schema: '/api/v1/configuration-schema',
  }));
  const api = { prefix: '/api/v1' };
  await server.register(configurationRoutes(parts.context), api);
  await server.register(installationRoutes(parts.context, parts.diagnosis), api);
  await server.register(keyRoutes(parts.context), api);
  await server.register(limitRoutes(parts.context), api);
  await server.register(policyRoutes(parts.context), api);
  await server.register(runRoutes(parts.context), api);
  const internal = { prefix: '/internal/v1' };
  await server.register(nodeRoutes(parts.context), internal);
  await server.register(counterRoutes(parts.context), internal);
  return server;
}
