import t from 'tap';
import { cruiseTree } from './cruise.mjs';
import { layerRules } from './layers.mjs';
import { plantedIds, plantTree } from './plant.mjs';
import { sourceRules } from './source/rules.mjs';
import { checkSources } from './sources.mjs';

/** Ids of the rules that fire on the clean tree with the violations of `id` laid over it, and what was read. */
async function fire(id) {
  const { base, remove } = plantTree(id);
  try {
    const { violations, cruised, missed } = await cruiseTree(base);
    const ids = [...violations.map(({ rule }) => rule), ...checkSources(base).map(({ rule }) => rule.id)];
    return { ids: [...new Set(ids)], cruised, missed };
  } finally {
    remove();
  }
}

// A cruise of each planted tree: 7 s on an idle machine, far more beside others' work.
t.setTimeout(240_000);

const rules = [...layerRules, ...sourceRules];

t.test('every rule has a planted violation and every planted violation a rule', async (t) => {
  t.same(plantedIds().sort(), rules.map(({ id }) => id).sort());
});

t.test('ids are unique and every rule says why it is so and what to do instead', async (t) => {
  t.equal(new Set(rules.map(({ id }) => id)).size, rules.length);
  for (const { id, title, reason, instead } of rules) t.ok(title && reason && instead, id);
});

t.test('a tree that keeps the table breaks no rule, and every module of it is read', async (t) => {
  const { ids, cruised, missed } = await fire(null);
  t.same(ids, []);
  t.same(missed, []);
  t.ok(cruised > 30);
});

for (const { id, title } of rules) {
  t.test(`${id} fires, alone, where this is broken: ${title}`, async (t) => {
    t.same((await fire(id)).ids, [id]);
  });
}

t.test('a module on disk that the cruiser did not read is reported as missed', async (t) => {
  const { base, remove } = plantTree(null);
  t.teardown(remove);
  const { cruised, missed } = await cruiseTree(base, ['storage']);
  t.ok(cruised > 0);
  t.ok(missed.includes('cli/main.ts'));
});
