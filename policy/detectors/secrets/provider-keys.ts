import { compileRules, type SecretRule } from './secret-rule.ts';

/** Between the name of a provider and its key: words for a key, quotes, a sign of assignment. */
const behindName = `[a-z0-9_. -]{0,24}(?:key|token|secret)[a-z]{0,4}["']?\\s{0,3}(?:is\\s|[:=])?\\s{0,3}["']?`;

/**
 * Keys of model providers. Sources: the providers' own pages on keys, the formats that GitHub secret scanning and gitleaks list, and
 * keys as they are issued; lengths are lower bounds where a provider changed them. Keys without a prefix count beside the
 * provider's name only.
 */
const rules: readonly SecretRule[] = [
  { name: 'Anthropic', literals: ['sk-ant-'], form: 'sk-ant-[a-z]{2,8}[0-9]{2}-[A-Za-z0-9_-]{60,200}' },
  {
    name: 'OpenAI',
    literals: ['sk-proj-', 'sk-svcacct-', 'sk-admin-', 'sk-None-', 'sk-service-'],
    form: 'sk-[A-Za-z]+-[A-Za-z0-9_-]{40,300}',
  },
  { name: 'OpenRouter', literals: ['sk-or-v1-'], form: 'sk-or-v1-[0-9a-f]{64}' },
  { name: 'Langfuse', literals: ['sk-lf-'], form: 'sk-lf-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}' },
  { name: 'OpenAI, DeepSeek, Stability and others', literals: ['sk-'], form: 'sk-[A-Za-z0-9]{32,64}' },
  { name: 'Google', literals: ['AIza'], form: 'AIza[A-Za-z0-9_-]{35}' },
  { name: 'Groq', literals: ['gsk_'], form: 'gsk_[A-Za-z0-9]{40,64}' },
  { name: 'Hugging Face', literals: ['hf_', 'api_org_'], form: '(?:hf|api_org)_[A-Za-z]{34}' },
  { name: 'Replicate', literals: ['r8_'], form: 'r8_[A-Za-z0-9]{37}' },
  { name: 'xAI', literals: ['xai-'], form: 'xai-[A-Za-z0-9]{70,90}' },
  { name: 'Perplexity', literals: ['pplx-'], form: 'pplx-[A-Za-z0-9]{40,64}' },
  { name: 'NVIDIA', literals: ['nvapi-'], form: 'nvapi-[A-Za-z0-9_-]{60,70}' },
  { name: 'LangSmith', literals: ['lsv2_'], form: 'lsv2_(?:pt|sk)_[0-9a-f]{32}_[0-9a-f]{10}' },
  { name: 'Pinecone', literals: ['pcsk_'], form: 'pcsk_[A-Za-z0-9]{5,8}_[A-Za-z0-9]{50,70}' },
  { name: 'Tavily', literals: ['tvly-'], form: 'tvly-(?:dev-|prod-)?[A-Za-z0-9]{32}' },
  { name: 'Jina', literals: ['jina_'], form: 'jina_[A-Za-z0-9_-]{50,70}' },
  { name: 'Together', literals: ['tgp_v1_'], form: 'tgp_v1_[A-Za-z0-9_-]{43}' },
  { name: 'Fireworks', literals: ['fw_'], form: 'fw_[A-Za-z0-9]{22,24}' },
  { name: 'Cerebras', literals: ['csk-'], form: 'csk-[a-z0-9]{48}' },
  { name: 'ElevenLabs', literals: ['sk_'], form: 'sk_[0-9a-f]{48}' },
  { name: 'Voyage', literals: ['pa-'], form: 'pa-[A-Za-z0-9_-]{43}' },
  { name: 'HOC', literals: ['hoc_'], form: 'hoc_(?:[0-9a-f]{12,40}_[A-Za-z0-9]{49}|[A-Za-z0-9_-]{43})' },
  {
    name: 'Azure OpenAI',
    literals: ['JQQJ99'],
    form: 'JQQJ99[A-Za-z0-9]{10,40}AAAB[A-Za-z0-9]{0,4}ACOG[A-Za-z0-9]{4}',
    glued: true,
  },
  { name: 'Mistral', literals: ['mistral'], words: true, form: `mistral${behindName}([A-Za-z0-9]{32})` },
  { name: 'Cohere', literals: ['cohere'], words: true, form: `cohere${behindName}([A-Za-z0-9]{40})` },
  { name: 'Deepgram', literals: ['deepgram'], words: true, form: `deepgram${behindName}([0-9a-f]{40})` },
  { name: 'Together, old', literals: ['together'], words: true, form: `together${behindName}([0-9a-f]{64})` },
  {
    name: 'Azure OpenAI, old',
    literals: ['api-key', 'api_key', 'azure'],
    words: true,
    form: `(?:azure${behindName}|api[-_]key["']?\\s{0,3}[:=]\\s{0,3}["']?)([0-9a-f]{32})`,
  },
];

/** Keys of model providers. */
export const findProviderKeys = compileRules(rules);
