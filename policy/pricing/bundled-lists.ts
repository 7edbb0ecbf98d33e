/** Every list of genai-prices under its own name; a test compares this with the package. */
export const bundledVendors: readonly string[] = (
  'anthropic arcee avian aws azure baseten cerebras cloudflare cohere cursor deepseek doubleword fireworks github-copilot google ' +
  'groq huggingface_cerebras huggingface_fireworks-ai huggingface_groq huggingface_hyperbolic huggingface_nebius ' +
  'huggingface_novita huggingface_nscale huggingface_ovhcloud huggingface_publicai huggingface_sambanova huggingface_together ' +
  'minimax mistral modal moonshotai novita openai openrouter ovhcloud perplexity quicksilverpro together typesafe voyageai ' +
  'x-ai zai zhipuai'
).split(' ');

/** Names of all price lists that come with HOC, without the prices: checking a name must not load the package. */
export const bundledLists: readonly string[] = [...bundledVendors, 'simulator'].sort();
