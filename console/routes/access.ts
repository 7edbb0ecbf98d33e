import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Principal } from '../../storage/schema/control.ts';
import { HocError } from '../../storage/schema/errors.ts';
import type { ControlContext } from '../operations/context.ts';
import {
  authenticate,
  authorize,
  type EnvironmentTokens,
  type Origin,
  type Permission,
} from '../operations/principal.ts';

declare module 'fastify' {
  interface FastifyContextConfig {
    /** What the caller must be allowed to do; `public` asks for no token. Every route says it. */
    permission?: Permission | 'public';
  }
  interface FastifyRequest {
    /** Who asks; null on public routes. */
    principal: Principal | null;
  }
}

const loopback = /^(127\.|::1$|::ffff:127\.)/;
const forwardingHeaders = ['forwarded', 'x-forwarded-for', 'x-real-ip', 'via'];

/** The caller's token: exactly one Authorization header of the form `Bearer <token>`; null otherwise. */
export function readBearer(request: FastifyRequest): string | null {
  const names = request.raw.rawHeaders.filter((_, index) => index % 2 === 0);
  if (names.filter((name) => name.toLowerCase() === 'authorization').length !== 1) return null;
  const [, token] = /^Bearer ([\x21-\x7e]+)$/i.exec(request.headers.authorization ?? '') ?? [];
  return token ?? null;
}

/** Where the request came from; what a reverse proxy on this machine brings is not from this machine. */
export function readOrigin(request: FastifyRequest): Origin {
  const address = request.raw.socket.remoteAddress ?? null;
  const forwarded = forwardingHeaders.some((name) => request.headers[name] !== undefined);
  return { address, isLoopback: address !== null && loopback.test(address) && !forwarded };
}

/** Who asks. Throws where the route is public, which is a mistake of ours. */
export function principalOf(request: FastifyRequest): Principal {
  if (request.principal === null)
    throw new HocError({ code: 'internal', publicMessage: 'This route has no principal' });
  return request.principal;
}

/**
 * Guards every route of the server: one that does not declare its permission stops the start, and none runs its handler,
 * or reads its body, before the caller is known and allowed.
 */
export function guardRoutes(server: FastifyInstance, context: ControlContext, tokens: EnvironmentTokens): void {
  server.decorateRequest('principal', null);
  server.addHook('onRoute', (route) => {
    if (route.config?.permission === undefined) throw new Error(`${route.method} ${route.url} declares no permission`);
  });
  server.addHook('onRequest', async (request) => {
    const { permission } = request.routeOptions.config;
    if (permission === undefined || permission === 'public') return;
    request.principal = await authenticate(context, tokens, {
      token: readBearer(request),
      origin: readOrigin(request),
    });
    authorize(request.principal, permission);
  });
}
