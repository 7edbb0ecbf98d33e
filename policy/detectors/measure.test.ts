import { readFileSync } from 'node:fs';
import t from 'tap';
import { type DetectorId, describeDetectors, detect, measureDetectors, readLabelled } from './index.ts';

const readLines = (id: DetectorId) => readFileSync(new URL(`./labelled/${id}.jsonl`, import.meta.url), 'utf8');

/** What heuristics reach on texts of the same author, a little below: on texts of others they reach less. */
const floors: Partial<Record<DetectorId, { precision: number; recall: number }>> = {
  prompt_injection: { precision: 0.92, recall: 0.93 },
  jailbreak: { precision: 0.92, recall: 0.93 },
  dangerous_tools: { precision: 0.95, recall: 0.95 },
};
const precise = { precision: 0.98, recall: 0.95 };

for (const { id } of describeDetectors()) {
  t.test(`${id} keeps its precision and recall on its labelled set`, async (t) => {
    const [score] = measureDetectors(readLabelled(id, readLines(id)));
    const floor = floors[id] ?? precise;
    t.ok(score !== undefined && score.positives >= 60 && score.negatives >= 60, 'sixty texts of each kind');
    for (const { kind, text, note } of score?.failures ?? []) t.comment(`${kind}: ${text.slice(0, 100)} ${note}`);
    for (const counted of [score?.byText, score?.bySpan]) {
      t.ok((counted?.precision ?? 0) >= floor.precision, `precision ${counted?.precision}`);
      t.ok((counted?.recall ?? 0) >= floor.recall, `recall ${counted?.recall}`);
    }
  });
}

t.test('no complete secret stands in a labelled set', async (t) => {
  for (const { id, kind } of describeDetectors()) {
    if (kind !== 'secret') continue;
    for (const line of readLines(id).split('\n')) {
      const text = line === '' ? '' : (JSON.parse(line) as { text: string }).text.replace(/[⟦⟧]/g, '');
      const found = detect(text, ['provider_key', 'cloud_key', 'access_token', 'private_key']);
      t.same(found, [], `${id}: ${line}`);
    }
  }
});

t.test('a labelled set is the same each time it is read', async (t) => {
  t.same(readLabelled('cloud_key', readLines('cloud_key')), readLabelled('cloud_key', readLines('cloud_key')));
});

t.test('marks and splices are read as they are documented', async (t) => {
  const [row] = readLabelled('access_token', '{"text":"a ⟦g{=}h{N4}⟧ b ⟦{H2}⟧","note":"n"}');
  t.match(row, { note: 'n', tool: false, text: /^a gh\d{4} b [0-9a-f]{2}$/ });
  t.same(row?.spans, [
    { start: 2, end: 8 },
    { start: 11, end: 13 },
  ]);
});
