import Fastify, { type FastifyInstance } from 'fastify';

/** What the admin address tells. */
export interface AdminProbes {
  metrics(): Promise<{ contentType: string; body: string }>;
  /** Why the process is not ready, one reason an entry; empty when it is. */
  unready(): readonly string[];
}

/** `/metrics`, `/livez` and `/readyz`: for Prometheus and orchestrators, never for customers. */
export function createAdminServer(probes: AdminProbes): FastifyInstance {
  const server = Fastify({ logger: false, forceCloseConnections: true });
  server.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await probes.metrics();
    return reply.type(contentType).send(body);
  });
  server.get('/livez', async () => ({ status: 'ok' }));
  server.get('/readyz', async (_request, reply) => {
    const reasons = probes.unready();
    return reply
      .code(reasons.length === 0 ? 200 : 503)
      .send({ status: reasons.length === 0 ? 'ok' : 'unready', reasons });
  });
  return server;
}
