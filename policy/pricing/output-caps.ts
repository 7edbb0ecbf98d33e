/**
 * Largest output of well-known models in tokens, by list and model id; genai-prices does not have it.
 *
 * From the vendors' model pages: platform.openai.com/docs/models, docs.anthropic.com/en/docs/about-claude/models,
 * ai.google.dev/gemini-api/docs/models. Where a family has several figures the largest stands (128,000 of Claude 3.7 needs a
 * beta header), because a cap that is too small would reserve too little. A model that is not here is bounded by its context.
 */
export const outputCaps: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  anthropic: {
    'claude-2': 4_096,
    'claude-3-haiku': 4_096,
    'claude-3-sonnet': 4_096,
    'claude-3-opus-latest': 4_096,
    'claude-3-5-haiku-latest': 8_192,
    'claude-3-5-sonnet': 8_192,
    'claude-3-7-sonnet-latest': 128_000,
    'claude-opus-4-0': 32_000,
    'claude-opus-4-1': 32_000,
    'claude-opus-4-5': 64_000,
    'claude-sonnet-4-0': 64_000,
    'claude-sonnet-4-5': 64_000,
    'claude-haiku-4-5': 64_000,
  },
  google: {
    'gemini-1.5-flash': 8_192,
    'gemini-1.5-pro': 8_192,
    'gemini-2.0-flash': 8_192,
    'gemini-2.0-flash-lite': 8_192,
    'gemini-2.5-flash': 65_536,
    'gemini-2.5-flash-lite': 65_536,
    'gemini-2.5-pro': 65_536,
  },
  openai: {
    'gpt-3.5-turbo': 4_096,
    'gpt-4': 8_192,
    'gpt-4-turbo': 4_096,
    'gpt-4o': 16_384,
    'gpt-4o-mini': 16_384,
    'chatgpt-4o-latest': 16_384,
    'gpt-4.1': 32_768,
    'gpt-4.1-mini': 32_768,
    'gpt-4.1-nano': 32_768,
    o1: 100_000,
    'o1-pro': 100_000,
    'o1-mini': 65_536,
    o3: 100_000,
    'o3-mini': 100_000,
    'o3-pro': 100_000,
    'o4-mini': 100_000,
    'gpt-5': 128_000,
    'gpt-5-mini': 128_000,
    'gpt-5-nano': 128_000,
    'gpt-5.1': 128_000,
    'gpt-5.2': 128_000,
  },
};
