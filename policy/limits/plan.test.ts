import fc from 'fast-check';
import t from 'tap';
import { noUsage } from '../../storage/schema/run.ts';
import type { LimitDimension, LimitEntry, LimitUnit } from '../../storage/schema/snapshot.ts';
import { maxAmount } from './amount.ts';
import {
  chargesOf,
  compileLimits,
  computeMoneyReserved,
  type LimitFacts,
  planReservation,
  type RunAmounts,
  raiseItems,
  settleAmounts,
} from './index.ts';
import { limit, nowMs, reading, run } from './test-limits.ts';

const dimensions: readonly LimitDimension[] = ['subTenant', 'key', 'actor', 'model', 'provider', 'tag:team'];

const amount = fc.oneof(
  fc.bigInt({ min: 0n, max: 10_000n }),
  fc.bigInt({ min: maxAmount - 2n, max: maxAmount + 2n }),
  fc.bigInt({ min: 0n, max: 10n ** 20n }),
  fc.constantFrom(0n, 1n, 10n ** 14n, 2n ** 53n - 1n, 2n ** 53n),
);
const orNull = <T>(of: fc.Arbitrary<T>) => fc.option(of, { nil: null });

const amounts: fc.Arbitrary<RunAmounts> = fc.record({
  inputTokens: amount,
  outputTokens: orNull(amount),
  costNanoUsd: orNull(amount),
  unpriced: fc.boolean(),
  unbounded: fc.boolean(),
  estimated: fc.record({ inputTokens: amount, outputTokens: orNull(amount), costNanoUsd: orNull(amount) }),
});

const everything: RunAmounts = {
  inputTokens: 1n,
  outputTokens: 1n,
  costNanoUsd: 1n,
  unpriced: false,
  unbounded: false,
  estimated: { inputTokens: 1n, outputTokens: 1n, costNanoUsd: 1n },
};

const shape = fc.constantFrom<Partial<LimitEntry>>(
  { kind: 'requests' },
  { kind: 'concurrency', window: '' },
  { kind: 'money' },
  ...(['input_tokens', 'output_tokens', 'total_tokens'] as const).map((unit) => ({ kind: 'tokens', unit }) as const),
  ...(['nano_usd', 'total_tokens', 'milliseconds'] as const).map(
    (unit) => ({ kind: 'cap', unit, window: '' }) as const,
  ),
);

const entry: fc.Arbitrary<Omit<LimitEntry, 'id'>> = fc
  .record({
    shape,
    ceiling: fc.bigInt({ min: 1n, max: 604_800_000n }),
    stated: orNull(fc.bigInt({ min: 1n, max: maxAmount })),
    by: fc.subarray([...dimensions]),
    near: fc.integer({ min: 1, max: 100 }),
  })
  .map(({ shape, ceiling, stated, by, near }) => {
    const isMoney = shape.kind === 'money' || shape.unit === 'nano_usd';
    const isTokens = ((shape.unit ?? '') as LimitUnit).endsWith('_tokens');
    const dollars = stated === null ? 'refuse' : { ceiling_nano_usd: stated.toString() };
    const tokens = stated === null ? 'refuse' : { ceiling_tokens: stated.toString() };
    const unbounded = isTokens ? tokens : isMoney ? dollars : 'refuse';
    return {
      ...limit({ id: '', ...shape }),
      ceiling: ceiling.toString(),
      by,
      near,
      unbounded,
      unpriced: dollars,
    } as const;
  });

const limits = fc
  .array(entry, { maxLength: 12 })
  .map((entries) => compileLimits(entries.map((one, index) => ({ ...one, id: `l${index}` }))));

const facts: fc.Arbitrary<LimitFacts> = fc
  .record({
    subTenant: orNull(fc.constantFrom('research', 'labs')),
    actor: orNull(fc.constantFrom('user-a', 'service:x')),
    model: orNull(fc.constantFrom('gpt-4o', 'GPT-4O')),
    tags: fc.constantFrom<Record<string, string>>({}, { team: 'x' }, { team: '' }),
  })
  .map((some) => ({ ...run, ...some, subTenantPath: some.subTenant === null ? [] : [some.subTenant] }));

t.test('every combination of dimensions makes one counter for each combination of values', (t) => {
  const combinations = Array.from({ length: 1 << dimensions.length }, (_, bits) =>
    dimensions.filter((_, index) => (bits >> index) % 2 === 1),
  );
  const compiled = compileLimits(combinations.map((by, index) => limit({ id: `l${index}`, by })));
  const keys = (fields: Partial<LimitFacts>) => {
    const plan = planReservation(compiled, { run: { ...run, ...fields }, amounts: everything, nowMs });
    return new Map(plan.items.map((item) => [item.limitId, item.key]));
  };
  const first = keys({});
  t.equal(first.size, 64);
  const changes: readonly [LimitDimension, Partial<LimitFacts>, Partial<LimitFacts>][] = [
    ['subTenant', { subTenant: 'labs' }, { subTenant: null }],
    ['key', { keyId: 'key_2' }, { keyId: null }],
    ['actor', { actor: 'service:x' }, { actor: null }],
    ['model', { model: 'other' }, { model: null }],
    ['provider', { provider: 'other' }, { provider: null }],
    ['tag:team', { tags: { team: 'y' } }, { tags: {} }],
  ];
  for (const [dimension, other, missing] of changes) {
    const changed = keys(other);
    const without = keys(missing);
    for (const [index, by] of combinations.entries()) {
      const id = `l${index}`;
      const splits = by.includes(dimension);
      if ((first.get(id) !== changed.get(id)) !== splits) t.fail(`${by} after another ${dimension}`);
      if (without.has(id) === splits) t.fail(`${by} without ${dimension}`);
    }
  }
  t.end();
});

t.test('a plan is complete: every limit is reserved, a cap, skipped, or the reason of a refusal', (t) => {
  fc.assert(
    fc.property(limits, facts, amounts, (compiled, run, asked) => {
      const plan = planReservation(compiled, { run, amounts: asked, nowMs });
      const named = [...plan.limits, ...plan.caps].map(({ id }) => id).concat(plan.skipped);
      const left = compiled.filter(({ id }) => !named.includes(id));
      const ids = plan.items.map(({ limitId }) => limitId);
      return (
        new Set(named).size === named.length &&
        (left.length === 0 || plan.refusal !== null) &&
        JSON.stringify(ids) === JSON.stringify(plan.limits.map(({ id }) => id)) &&
        JSON.stringify(ids) === JSON.stringify(compiled.map(({ id }) => id).filter((id) => ids.includes(id))) &&
        plan.items.every((item) => item.amount >= 0n && item.amount <= maxAmount) &&
        plan.items.every((item) => item.near >= 1n && item.near <= item.ceiling)
      );
    }),
    { numRuns: 1000 },
  );
  t.end();
});

t.test('raising never lowers, never passes 9e15, and keeps keys, order, ceilings and windows', (t) => {
  fc.assert(
    fc.property(limits, facts, fc.array(amounts, { minLength: 1, maxLength: 5 }), (compiled, run, steps) => {
      const [asked = everything, ...later] = steps;
      const plan = planReservation(compiled, { run, amounts: asked, nowMs });
      let items = plan.items;
      for (const step of later) {
        const raised = raiseItems({ ...plan, items }, step);
        const again = raiseItems({ ...plan, items: raised }, step);
        const holds = raised.every((item, index) => {
          const { amount: before = 0n, ...kept } = items[index] ?? {};
          const { amount: now, ...same } = item;
          return now >= before && now <= maxAmount && sameText(kept, same) && again[index]?.amount === now;
        });
        if (!holds || raised.length !== items.length) return false;
        items = raised;
      }
      const money = items.filter((_, index) => plan.limits[index]?.kind === 'money').map((item) => item.amount);
      const most = money.length === 0 ? null : money.reduce(max);
      return computeMoneyReserved(plan, items) === most;
    }),
    { numRuns: 500 },
  );
  t.end();
});

t.test('what settles is exact: within 9e15, never less than what is known, and charges add up to it', (t) => {
  const count = orNull(fc.oneof(fc.integer(), fc.maxSafeNat(), fc.constantFrom(0, -1, 1e300)));
  const outcome = fc.record({
    costNanoUsd: orNull(amount),
    usage: orNull(fc.record({ input_tokens: count, output_tokens: count }).map((some) => ({ ...noUsage, ...some }))),
  });
  fc.assert(
    fc.property(limits, facts, fc.tuple(amounts, amounts), outcome, (compiled, run, [asked, more], came) => {
      const plan = planReservation(compiled, { run, amounts: asked, nowMs });
      const reserved = raiseItems(plan, more);
      const settled = settleAmounts(plan, came, reserved);
      const readings = plan.items.map((item) => reading(0n, item.amount));
      const charges = chargesOf(plan, reserved, { settled, readings });
      const open = chargesOf(plan, reserved, { settled: null, readings: [] });
      return plan.items.every((item, index) => {
        const charge = charges[index];
        const left = BigInt(settled[index]?.amount ?? '-1');
        const kind = plan.limits[index]?.kind;
        const exact = kind === 'requests' ? left === 1n : kind === 'concurrency' ? left === 0n : true;
        const paid = came.costNanoUsd;
        const cost = kind !== 'money' || left === (paid === null ? reserved[index]?.amount : min(paid, maxAmount));
        return (
          exact &&
          cost &&
          left >= 0n &&
          left <= maxAmount &&
          settled[index]?.key === item.key &&
          charge?.settled === left.toString() &&
          charge.reserved === reserved[index]?.amount.toString() &&
          charge.taken === item.amount.toString() &&
          open[index]?.settled === charge.reserved
        );
      });
    }),
    { numRuns: 1000 },
  );
  t.end();
});

function max(a: bigint, b: bigint): bigint {
  return min(a, b) === a ? b : a;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

function sameText(a: unknown, b: unknown): boolean {
  const text = (value: unknown) => JSON.stringify(value, (_, part) => (typeof part === 'bigint' ? `${part}n` : part));
  return text(a) === text(b);
}
