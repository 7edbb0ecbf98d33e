import { compilePatterns } from './alias.ts';

/**
 * Families of models that may bill output which their answers do not show, without being asked to. Names are matched
 * without a vendor's prefix (`openai/`), in the patterns of `ModelPrice.aliases`. Each states where that is written.
 * A family that shows all it thinks (DeepSeek, Qwen, GLM) is not here: what is shown bounds it. A model too many costs a
 * larger reservation, one too few an overrun.
 */
export const hiddenOutputFamilies: readonly { source: string; lists?: readonly string[]; names: readonly string[] }[] =
  [
    {
      source: 'platform.openai.com/docs/guides/reasoning: reasoning tokens are billed as output and not visible',
      names: ['o1*', 'o3*', 'o4-*', '*gpt-5*', '*gpt-6*', '*codex-*', '*gpt-oss*', 'computer-use-*', '!*gpt-5-chat*'],
    },
    {
      source: 'ai.google.dev/gemini-api/docs/thinking: thinking is on by default, answers hold summaries at most',
      names: ['*gemini-2.5*', '*gemini-3*', '*gemini-*latest*'],
    },
    {
      source: 'docs.x.ai/docs/guides/reasoning: reasoning is billed, and encrypted or left out',
      names: ['*grok-3-mini*', '*grok-4*', '*grok-5*', '*grok-code*', '!*non-reasoning*'],
    },
    {
      source:
        'docs.claude.com/en/docs/build-with-claude/adaptive-thinking, and recorded answers: thinks unasked, shows less',
      names: ['*claude-sonnet-5*', '*claude-opus-5*', '*claude-haiku-5*', '*claude-fable-*', '*claude-mythos*'],
    },
    {
      source: 'docs.perplexity.ai/getting-started/pricing: reasoning and citation tokens are billed',
      names: ['*sonar-reasoning*', '*sonar-deep-research*'],
    },
    {
      source: 'recorded answers: text around a tool call is counted and not shown, 121 tokens for a call of 22 bytes',
      lists: ['groq', 'huggingface_groq'],
      names: ['llama-4-*'],
    },
  ];

const compiled = hiddenOutputFamilies.map(({ lists, names }) => ({ lists, matches: compilePatterns(names) }));

/**
 * Whether a model belongs to one of the families, by its name in a list (or provider). Where a price was found, its
 * `hidden_output` says it; this is for models without a price, and for prices that a tenant wrote.
 */
export function hidesOutput(list: string, id: string): boolean {
  const name = id
    .slice(id.lastIndexOf('/') + 1)
    .toLowerCase()
    .trim();
  return compiled.some((family) => (family.lists?.includes(list) ?? true) && family.matches(name));
}
