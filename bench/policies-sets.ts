import type { PolicyAction, PolicyEntry, PolicyPhase, Scope } from '../storage/schema/snapshot.ts';

/** A kind of policy document, by what most of its policies rest on. */
export type PolicySet = 'conditions' | 'scopes' | 'mixed';

export const policySets: Readonly<Record<PolicySet, string>> = {
  conditions: 'every policy on every run, on nine facts of request and principal; one in a hundred matches and warns',
  scopes: 'each policy for a key, provider, model, sub-tenant, actor or tag of its own; one in fifty is in scope',
  mixed:
    'of ten policies six scoped, three on facts, one on texts: each a pattern of its own, or one of six detectors; one in a hundred tags',
};

/** Patterns that differ from policy to policy; in twenty policies on texts, the last six are detectors. */
const detectors = ['email', 'phone', 'payment_card', 'iban', 'provider_key', 'prompt_injection'];

/** `count` policies of the request phase, mostly such that do not match `benchRequest`. */
export function makePolicies(set: PolicySet, count: number): PolicyEntry[] {
  return Array.from({ length: count }, (_, at) => {
    if (set === 'conditions') return makePolicy(at, { when: conditionOf(at), then: warn });
    if (set === 'scopes') return makePolicy(at, { when: conditionOf(at), scope: scopeOf(at), then: warn });
    if (at % 10 < 6) return makePolicy(at, { when: conditionOf(at), scope: scopeOf(at), then: warn });
    if (at % 10 < 9) return makePolicy(at, { when: at % 100 === 98 ? true : conditionOf(at) });
    return makePolicy(at, { when: textTest('request.text', 'detectors.', (at - 9) / 10), then: warn });
  });
}

/** `count` policies of the stream phase that never match: nine of ten on a pattern or detector, one on tools. */
export function makeStreamPolicies(count: number): PolicyEntry[] {
  return Array.from({ length: count }, (_, at) =>
    makePolicy(at, {
      phase: 'stream',
      when:
        at % 10 === 9
          ? { in: [`tool-${at}`, { var: 'stream.tools' }] }
          : textTest('stream.text', 'stream.detectors.', at),
      then: { action: 'deny', reason: 'not here' },
    }),
  );
}

const warn: PolicyAction = { action: 'warn', reason: 'look at this' };

function makePolicy(at: number, own: { when: unknown; scope?: Scope; then?: PolicyAction; phase?: PolicyPhase }) {
  const { when, scope = {}, phase = 'request' } = own;
  const then = own.then ?? (at % 100 === 98 ? tag : { action: 'deny', reason: 'not allowed' });
  return { id: `policy-${at}`, version: 1, phase, mode: 'enforce', scope, when, then, on_error: 'deny' } as const;
}

const tag: PolicyAction = { action: 'tag', tags: { looked: 'yes' } };

function conditionOf(at: number): unknown {
  const others = Array.from({ length: 20 }, (_, nth) => `other-${at}-${nth}`);
  const conditions = [
    { and: [{ '==': [{ var: 'request.model' }, `model-${at}`] }, { '>': [{ var: 'request.max_output_tokens' }, at] }] },
    { in: [{ var: 'principal.key_name' }, others] },
    { '>': [{ var: 'request.estimated_input_tokens' }, 1_000_000 + at] },
    {
      and: [
        { startsWith: [{ var: 'request.model' }, `vendor-${at}/`] },
        { '!': [{ in: [{ var: 'principal.sub_tenant' }, others] }] },
      ],
    },
    {
      or: [
        { '>': [{ var: 'price.worst_case_nano_usd' }, 9e14 + at] },
        { '==': [{ var: ['tags.team', ''] }, `t${at}`] },
      ],
    },
    { and: [{ '>=': [{ var: 'request.message_count' }, 200 + at] }, { '==': [{ var: 'request.stream' }, true] }] },
    { '<': [{ '+': [{ var: 'request.tool_count' }, 0] }, { '-': [0, at + 1] }] },
  ];
  // Dear ones, which the check lets stand in a phase by the dozen only.
  if (at % 100 === 3) return { some: [{ var: 'request.tools' }, { '==': [{ var: '' }, `tool-${at}`] }] };
  if (at % 100 === 7) return { contains: [{ lower: [{ var: 'request.model' }] }, `preview-${at}`] };
  if (at % 100 === 99) return { '>': [{ var: 'request.body_bytes' }, { quantity: '1 bytes' }] };
  return conditions[at % conditions.length];
}

function scopeOf(at: number): Scope {
  const scopes: readonly Scope[] = [
    { key: `key-${at}` },
    { provider: `provider-${at}` },
    { model: `model-${at}` },
    { sub_tenant: `team-${at}` },
    { actor: `user-${at}` },
    { tag: `project=p${at}` },
  ];
  return at % 50 === 49 ? { provider: 'sim' } : (scopes[at % scopes.length] ?? {});
}

/** A test of a text that does not hold: mostly of a pattern of its own, six in twenty times of a detector. */
function textTest(fact: string, prefix: string, nth: number): unknown {
  const detector = detectors[(nth % 20) - 14];
  if (detector !== undefined) return { '>': [{ var: `${prefix}${detector}` }, 0] };
  return { matches: [{ var: fact }, `(?i)project-(x${nth}|y${nth})\\b`] };
}
