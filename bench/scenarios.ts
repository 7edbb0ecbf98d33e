/** One kind of load. */
export interface Scenario {
  readonly name: string;
  readonly about: string;
  readonly connections: number;
  readonly body: string;
}

const bodyBytes = 2048;

/** A chat request of exactly 2 KB, as an application with a system prompt and a short question would send it. */
function chatBody(streamed: boolean): string {
  const build = (content: string): string =>
    JSON.stringify({
      model: 'gpt-4o-mini',
      messages: [
        { role: 'system', content },
        { role: 'user', content: 'What does the figure on page 12 say?' },
      ],
      max_tokens: 400,
      ...(streamed ? { stream: true, stream_options: { include_usage: true } } : {}),
    });
  const text = 'You answer from the attached document only. ';
  return build(text.repeat(64).slice(0, bodyBytes - build('').length));
}

/** All scenarios; `json-2k-32conn` is the one that is judged. */
export const scenarios: readonly Scenario[] = [
  { name: 'json-2k-32conn', about: '2 KB in, 2 KB out, 32 connections', connections: 32, body: chatBody(false) },
  {
    name: 'json-2k-1conn',
    about: '2 KB in, 2 KB out, one connection: added latency',
    connections: 1,
    body: chatBody(false),
  },
  {
    name: 'sse-32conn',
    about: '2 KB in, 23 events out as a stream, 32 connections',
    connections: 32,
    body: chatBody(true),
  },
];
