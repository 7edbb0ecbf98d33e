import type { FastifyError, FastifyReply, FastifyRequest } from 'fastify';
import { HocError } from '../../storage/schema/errors.ts';
import type { Problem } from '../contract/api.ts';

/** Turns any error into ours. What Fastify itself refuses (a bad body, too large, not JSON) keeps its status. */
function convert(error: unknown): HocError & { status: number } {
  if (error instanceof HocError) return error;
  const { statusCode, validation, message } = error as Partial<FastifyError>;
  if (validation !== undefined) {
    const findings = validation.map((fault) => ({
      file: null,
      line: null,
      field: fault.instancePath.replace(/^\//, '').replaceAll('/', '.'),
      message: fault.message ?? 'not valid',
    }));
    return new HocError({
      code: 'input_invalid',
      publicMessage: message ?? 'The request is not valid',
      findings,
      cause: error,
    });
  }
  if (statusCode !== undefined && statusCode >= 400 && statusCode < 500) {
    return new HocError({ code: 'input_invalid', publicMessage: message ?? 'The request is not valid', cause: error });
  }
  return new HocError({
    code: 'internal',
    publicMessage: 'Control failed to do this; its log says more',
    cause: error,
  });
}

/**
 * The one place where an error of the console API becomes an answer: problem+json with a stable code, a sentence, the
 * request's id and the findings. Never a stack, never a cause; failures of ours are logged with both.
 */
export function sendProblem(error: unknown, request: FastifyRequest, reply: FastifyReply): void {
  const failure = convert(error);
  const tooLarge = (error as Partial<FastifyError>).statusCode === 413;
  const status = tooLarge ? 413 : failure.status;
  if (status >= 500) request.log.error({ err: error, code: failure.code, req_id: request.id }, 'a request failed');
  const problem: Problem = {
    type: `urn:hoc:problem:${failure.code}`,
    title: failure.code.replaceAll('_', ' '),
    status,
    code: failure.code,
    detail: failure.publicMessage,
    request_id: request.id,
    findings: failure.findings,
  };
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  reply.code(status).type('application/problem+json').send(problem);
}

/** The answer where no route fits. */
export function sendUnknownRoute(request: FastifyRequest, reply: FastifyReply): void {
  sendProblem(new HocError({ code: 'not_found', publicMessage: 'There is no such route' }), request, reply);
}
