import fastify, { type FastifyInstance } from 'fastify';

export interface AdminParts {
  metrics: { contentType: string; render(): Promise<string> };
  /** Resolves when control can do its work; throws with the reason otherwise. */
  checkReady(): Promise<void>;
}

/** The admin address: metrics and the two probes, without authentication, for the network that only operators reach. */
export function createAdminServer(parts: AdminParts): FastifyInstance {
  const server = fastify({ requestTimeout: 10_000 });
  server.get('/metrics', async (_request, reply) =>
    reply.type(parts.metrics.contentType).send(await parts.metrics.render()),
  );
  server.get('/livez', async () => ({ live: true }));
  server.get('/readyz', async (_request, reply) => {
    try {
      await parts.checkReady();
      return { ready: true };
    } catch (error) {
      const reason = error instanceof Error ? error.message : 'unknown';
      return reply.code(503).send({ ready: false, reason });
    }
  });
  return server;
}
