import type { FactValue } from '../../storage/schema/decision.ts';
import type { PolicyAction, PolicyEntry, PolicyPhase } from '../../storage/schema/snapshot.ts';
import { canonicalJson, decisionDigest, sha256Hex } from '../evidence/index.ts';
import { findFact } from './facts.ts';
import { compilePolicies, decidePhase, engineVersion, freezeContext } from './index.ts';
import { anyRun } from './test-policies.ts';

const contexts = 200;
const v = (name: string, ...fallback: unknown[]) => ({ var: [name, ...fallback] });
const deny: PolicyAction = { action: 'deny', reason: 'no' };
const warn: PolicyAction = { action: 'warn', reason: 'careful' };

interface Row {
  phase?: PolicyPhase;
  when: unknown;
  then?: PolicyAction;
  fields?: Partial<PolicyEntry>;
}

/** Conditions over every group of operators and every kind of fact, in every phase. */
const rows: readonly Row[] = [
  { when: { in: [v('request.model'), ['gpt-4', 'o1', 'x']] } },
  { when: { matches: [v('request.model'), '(?i)^GPT-4(o|-turbo)?$'] }, then: warn },
  {
    when: { '>': [v('price.worst_case_nano_usd'), { quantity: '0.50 USD' }] },
    then: { action: 'hold', reason: 'dear' },
  },
  {
    when: { during: ['mon-fri 09:00-17:00', 'fri-mon 22:00-06:00', '+02:00'] },
    then: { action: 'tag', tags: { hours: 'office' } },
  },
  { when: { '==': [{ lower: v('principal.actor_id') }, { cat: ['user-', { substr: [v('request.model'), -1] }] }] } },
  {
    when: { some: [v('request.tools'), { startsWith: [{ var: '' }, 'sh'] }] },
    then: {
      action: 'modify',
      reason: 'tools',
      changes: [
        { change: 'drop_tools', tools: ['shell'] },
        { change: 'cap_output', tokens: 500 },
      ],
    },
  },
  {
    when: { '>': [{ count: [v('request.tools'), { contains: [{ var: '' }, 'e'] }] }, 1] },
    then: {
      action: 'modify',
      reason: 'cap',
      changes: [
        { change: 'cap_output', tokens: 400 },
        { change: 'set', parameter: 'temperature', value: { decimal: '0.2' } },
      ],
    },
  },
  {
    when: {
      '>': [
        {
          reduce: [
            { map: [v('request.tools'), { bare: { length: { var: '' } } }] },
            { '+': [{ var: 'accumulator' }, { var: 'current' }] },
            0,
          ],
        },
        12,
      ],
    },
    then: warn,
  },
  { when: { intersects: [v('request.tools'), { merge: [['search'], v('request.provider')] }] }, then: warn },
  { when: { '==': [{ '%': [v('request.max_output_tokens'), 7] }, { '/': [v('request.max_output_tokens'), 900] }] } },
  { when: { matches: [v('request.text'), '(?i)project-x'] } },
  {
    when: { and: [{ '>': [v('detectors.email'), 0] }, { '<': [{ length: v('request.text') }, 500] }] },
    then: { action: 'modify', reason: 'hide', changes: [{ change: 'redact', detectors: ['email', 'iban'] }] },
  },
  {
    when: { '!!': [{ missing: ['request.session', 'tags.team'] }] },
    then: { action: 'tag', tags: { anonymous: 'yes' } },
  },
  {
    when: { '==': [{ '??': [v('tags.team'), v('principal.sub_tenant'), 'none'] }, 'none'] },
    fields: { mode: 'shadow' },
  },
  { when: { if: [v('request.stream'), { '>=': [v('request.message_count'), 5] }] }, fields: { on_error: 'allow' } },
  {
    when: { '<': [v('request.body_bytes', 0), { '*': [{ quantity: '1 KiB' }, v('request.message_count')] }] },
    then: warn,
    fields: { scope: { provider: 'openai' } },
  },
  { phase: 'admit', when: { '>=': [v('readings.highest_percent'), { quantity: '80 %' }] }, then: warn },
  { phase: 'admit', when: { '>': [v('session.same_prompt'), 3] } },
  { phase: 'admit', when: { '<': [v('readings.remaining.daily'), { '*': [v('request.message_count'), 1000] }] } },
  {
    phase: 'response',
    when: { '>': [v('answer.detectors.payment_card'), 0] },
    then: { action: 'modify', reason: 'cards', changes: [{ change: 'redact', detectors: ['payment_card'] }] },
  },
  { phase: 'response', when: { contains: [v('answer.text'), 'secret'] } },
  { phase: 'response', when: { '>': [v('answer.latency_ms'), { quantity: '5 s' }] }, then: warn },
  {
    phase: 'stream',
    when: { and: [{ '>': [v('stream.characters'), 512] }, { matches: [v('stream.text'), 'BEGIN [A-Z]+ KEY'] }] },
  },
  { phase: 'stream', when: { subset: [v('stream.tools'), ['search', 'shell']] }, then: warn },
];

const policies: readonly PolicyEntry[] = rows.map(({ phase = 'request', when, then = deny, fields = {} }, i) => ({
  id: `p${(i * 7) % rows.length}-${i}`,
  version: i + 1,
  phase,
  mode: 'enforce',
  scope: {},
  when,
  then,
  on_error: 'deny',
  ...fields,
}));

/**
 * The digests of the decisions on 200 contexts of a fixed sequence, in all phases, with the policies loaded in an order that
 * `seed` gives. Any order, process, Node or number of cores has to give the same.
 */
export function computeGoldenDigests(seed: number): string[] {
  const compiled = compilePolicies(shuffle(policies, createRandom(seed)));
  const random = createRandom(1);
  const phases: readonly PolicyPhase[] = ['request', 'admit', 'response', 'stream'];
  return Array.from({ length: contexts }, (_, i) => {
    const phase = phases[i % phases.length] ?? 'request';
    const values = drawFacts(compiled.factsNamed(phase), random);
    const names = shuffle(compiled.factsNamed(phase), createRandom(seed + i));
    const atMs = 1_763_800_000_000 + random(14 * 86_400) * 1_000;
    const context = freezeContext({ phase, atMs, names, read: (name) => values.get(name) });
    const decision = decidePhase(compiled, anyRun, context);
    const { verdict, owner, reason, matched, modifications, shadow } = decision;
    const digests = { context_digest: sha256Hex(canonicalJson(context)), snapshot_id: '' };
    return decisionDigest({
      v: 1,
      ...digests,
      engine_version: engineVersion,
      detector_version: 'none',
      verdict,
      owner,
      reason,
      matched,
      modifications,
      shadow,
    });
  });
}

type Random = (below: number) => number;

/** Mulberry32: the same whole numbers in every JavaScript engine. */
function createRandom(seed: number): Random {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
}

function shuffle<Item>(items: readonly Item[], random: Random): Item[] {
  return items
    .map((item) => ({ item, at: random(1_000_000) }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}

const words = ['gpt-4', 'gpt-4o', 'o1', 'user-o', 'USER-4', 'shell', 'search', 'openai', 'x', 'é😀', ''];
const amounts = [0, 1, 2, 3, 5, 80, 512, 900, 6_300, 500_000_001, 9e15];

/** One value for each name, one in eight missing, whatever the order of the names. */
function drawFacts(names: readonly string[], random: Random): Map<string, FactValue | undefined> {
  const word = () => words[random(words.length)] ?? '';
  const draw = (name: string): FactValue | undefined => {
    switch (findFact(name)?.type) {
      case 'boolean':
        return random(2) === 0;
      case 'integer':
        return amounts[random(amounts.length)];
      case 'texts':
        return Array.from({ length: random(5) }, word);
      case 'content':
        return `${word()} ${word()}`;
      default:
        return random(20) === 0 ? 'x'.repeat(5_000) : word();
    }
  };
  return new Map(names.map((name) => [name, random(8) === 0 ? undefined : draw(name)]));
}
