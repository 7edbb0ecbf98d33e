const createdAt = '2026-01-01T00:00:00Z';

/** The list of models in the words of OpenAI, or of Anthropic. */
export function renderModels(names: readonly string[], anthropic: boolean): string {
  const data = names.map((name) => describeModel(name, anthropic));
  if (!anthropic) return JSON.stringify({ object: 'list', data });
  return JSON.stringify({ data, has_more: false, first_id: names[0] ?? null, last_id: names.at(-1) ?? null });
}

/** One model in the words of OpenAI, or of Anthropic. */
export function renderModel(name: string, anthropic: boolean): string {
  return JSON.stringify(describeModel(name, anthropic));
}

function describeModel(name: string, anthropic: boolean): object {
  if (anthropic) return { type: 'model', id: name, display_name: name, created_at: createdAt };
  return { id: name, object: 'model', created: Date.parse(createdAt) / 1000, owned_by: 'simulator' };
}
