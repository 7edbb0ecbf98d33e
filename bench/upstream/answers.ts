/** The fixed answers of the bench's provider, in the shape of OpenAI chat completions. */
const usage = { prompt_tokens: 420, completion_tokens: 310, total_tokens: 730 };
const head = { id: 'chatcmpl-bench', created: 1767225600, model: 'gpt-4o-mini' };

/** A whole answer of exactly `bytes` bytes. */
export function wholeAnswer(bytes: number): Buffer {
  const build = (content: string): string =>
    JSON.stringify({
      ...head,
      object: 'chat.completion',
      choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
      usage,
    });
  return Buffer.from(build('a'.repeat(bytes - build('').length)));
}

/** A streamed answer as its events: 20 deltas of about 25 characters, the finish, the usage, and the terminal event. */
export function streamedAnswer(): readonly Buffer[] {
  const event = (choices: unknown[], extra: object = {}): Buffer =>
    Buffer.from(`data: ${JSON.stringify({ ...head, object: 'chat.completion.chunk', choices, ...extra })}\n\n`);
  const deltas = Array.from({ length: 20 }, (_, index) =>
    event([{ index: 0, delta: { content: `piece ${index} of a fixed text ` }, finish_reason: null }]),
  );
  return [
    ...deltas,
    event([{ index: 0, delta: {}, finish_reason: 'stop' }]),
    event([], { usage }),
    Buffer.from('data: [DONE]\n\n'),
  ];
}
