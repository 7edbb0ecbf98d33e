/**
 * A chat completion request through the proxy. On a connection that may be kept: with `connection: close`, fetch takes a
 * chunked answer that breaks off for a whole one.
 */
export function chat(world: { url: string }, part: object = {}, slug = 'sim', signal?: AbortSignal): Promise<Response> {
  return fetch(`${world.url}/${slug}/v1/chat/completions`, {
    method: 'POST',
    headers: { authorization: 'Bearer secret', 'content-type': 'application/json' },
    body: JSON.stringify({ model: 'sim-1', messages: [{ role: 'user', content: 'hello' }], ...part }),
    ...(signal === undefined ? {} : { signal }),
  });
}

export const idOf = (answer: Response): string | null => answer.headers.get('x-hoc-run-id');

/** One event of a streamed chat completion. */
export function chatEvent(content: string): string {
  return `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'sim-1', choices: [{ index: 0, delta: { content } }] })}\n\n`;
}

/** How a streamed chat completion ends, with the usage that its provider reports. */
export function chatEnd(usage: Record<string, unknown> | null): string {
  const finish = { id: 'c', model: 'sim-1', choices: [{ index: 0, delta: {}, finish_reason: 'stop' }] };
  const told = usage === null ? '' : `data: ${JSON.stringify({ id: 'c', choices: [], usage })}\n\n`;
  return `data: ${JSON.stringify(finish)}\n\n${told}data: [DONE]\n\n`;
}

/** A whole chat completion. */
export function chatAnswer(content: string, usage: Record<string, unknown> | null): string {
  const choices = [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }];
  return JSON.stringify({ id: 'c', model: 'sim-1', choices, ...(usage === null ? {} : { usage }) });
}

export const eventStream = { 'content-type': 'text/event-stream' };
