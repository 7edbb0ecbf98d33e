import { Readable } from 'node:stream';
import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { Type } from 'typebox';
import { runsQuerySchema } from '../contract/api.ts';
import type { ControlContext } from '../operations/context.ts';
import { explainRun } from '../operations/decisions/explain.ts';
import { exportRuns, listRuns, showRun } from '../operations/runs.ts';
import { principalOf } from './access.ts';

const runParams = Type.Object({ id: Type.String({ maxLength: 100 }) });
const exportQuery = Type.Object({ format: Type.Optional(Type.Literal('jsonl')) }, { additionalProperties: false });
const chunkCharacters = 65_536;

/** Joins lines into larger chunks: a socket write a line would cost more than the lines. */
async function* joinLines(
  first: IteratorResult<string, void>,
  lines: AsyncGenerator<string, void>,
): AsyncGenerator<string> {
  if (first.done === true) return;
  let chunk = first.value;
  for await (const line of lines) {
    chunk += line;
    if (chunk.length < chunkCharacters) continue;
    yield chunk;
    chunk = '';
  }
  if (chunk.length > 0) yield chunk;
}

/** Recorded runs: a page, one, why it was decided so, and all of them as JSON lines. */
export function runRoutes(context: ControlContext): FastifyPluginAsyncTypebox {
  return async (server) => {
    server.get(
      '/runs',
      { config: { permission: 'runs.read' }, schema: { querystring: runsQuerySchema } },
      async (request) => listRuns(context, principalOf(request), request.query),
    );
    server.get(
      '/runs/export',
      { config: { permission: 'runs.read' }, schema: { querystring: exportQuery } },
      async (request, reply) => {
        const lines = exportRuns(context, principalOf(request));
        // The first row is read before the head is sent, so that an engine that is away is an error and not a cut stream.
        const first = await lines.next();
        return reply.type('application/x-ndjson').send(Readable.from(joinLines(first, lines), { objectMode: false }));
      },
    );
    server.get('/runs/:id', { config: { permission: 'runs.read' }, schema: { params: runParams } }, async (request) =>
      showRun(context, principalOf(request), request.params.id),
    );
    server.get(
      '/runs/:id/explanation',
      { config: { permission: 'runs.read' }, schema: { params: runParams } },
      async (request) => explainRun(context, principalOf(request), request.params.id),
    );
  };
}
