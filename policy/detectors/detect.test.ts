import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import t from 'tap';
import { describeDetectors, detect, detectorIds, detectorVersion, readLabelled, redact } from './index.ts';

const labelled = detectorIds.flatMap((id) =>
  readLabelled(id, readFileSync(new URL(`./labelled/${id}.jsonl`, import.meta.url), 'utf8')).filter(
    ({ tool }) => !tool,
  ),
);
const separators = [' ', '\n', ', ', '; ', '-', '.', ':', '/', '"', '(', '\u200b', '\u00a0', '\u{1f600}', ''];
const pieces = fc.oneof(
  fc.constantFrom(...labelled.map(({ text }) => text)),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
  fc.stringMatching(/^[0-9+() ./@:A-Fa-z-]{0,24}$/),
);
/** Texts of the labelled sets and noise, joined tightly or loosely. */
const texts = fc
  .array(fc.tuple(pieces, fc.constantFrom(...separators)), { maxLength: 6 })
  .map((parts) => parts.map(([piece, separator]) => piece + separator).join(''));

t.test('findings are sorted, within the text, apart from each other and split no surrogate pair', async (t) => {
  fc.assert(
    fc.property(texts, (text) => {
      for (const id of detectorIds) {
        let last = 0;
        for (const { detector, start, end } of detect(text, [id])) {
          const split = [start, end].some((at) => /^[\ud800-\udbff][\udc00-\udfff]$/.test(text.slice(at - 1, at + 1)));
          if (detector !== id || start < last || end <= start || end > text.length || split) return false;
          last = end;
        }
      }
      return true;
    }),
    { numRuns: 300 },
  );
  t.end();
});

t.test('a text redacted for a detector holds nothing more for it', async (t) => {
  fc.assert(
    fc.property(texts, fc.constantFrom(...detectorIds), (text, id) => {
      const clean = redact(text, detect(text, [id]));
      const left = detect(clean, [id]);
      if (left.length > 0) throw new Error(`${JSON.stringify(clean)} still holds ${JSON.stringify(left)}`);
    }),
    { numRuns: 2000 },
  );
  t.end();
});

t.test('a text redacted for all detectors holds nothing more, whatever paragraph follows which', async (t) => {
  const rows = labelled.map(({ text }) => text);
  rows.forEach((text, i) => {
    const joined = `${text}\n\n${rows[(i * 31 + 7) % rows.length]}`;
    const clean = redact(joined, detect(joined, detectorIds));
    t.same(detect(clean, detectorIds), [], clean);
  });
});

t.test('what stands in other paragraphs changes no finding', async (t) => {
  const far = 'Nothing of note stands in this paragraph, and it is long enough to be no neighbour of anything at all.';
  for (const { detector, text } of labelled) {
    const before = `${far}\n\n`;
    const alone = detect(text, [detector]).map(({ start, end }) => text.slice(start, end));
    const whole = `${before}${text}\n\n${far}`;
    t.same(
      detect(whole, [detector]).map(({ start, end }) => whole.slice(start, end)),
      alone,
      text,
    );
  }
});

t.test('several detectors find what each finds alone', async (t) => {
  const text = labelled.map((row) => row.text).join('\n\n');
  const apart = detectorIds.flatMap((id) => detect(text, [id]));
  t.equal(detect(text, [...detectorIds, ...detectorIds]).length, apart.length);
  t.same(detect(text, []), []);
  t.same(detect('', detectorIds), []);
});

t.test('the catalogue names every detector once, with countries where only some are known', async (t) => {
  t.equal(new Set(detectorIds).size, 13);
  for (const { id, kind, precise, method, title } of describeDetectors()) {
    t.equal(precise, kind !== 'heuristic', id);
    t.ok(method.length > 10 && title.length > 3);
  }
});

t.test('the version names the libraries that are installed', async (t) => {
  const homes: [string, string][] = [
    ['re2js', '../package.json'],
    ['libphonenumber-js', './package.json'],
    ['validator', './package.json'],
  ];
  const libraries = homes.map(([name, manifest]) => {
    const path = new URL(manifest, import.meta.resolve(name));
    const { version } = JSON.parse(readFileSync(path, 'utf8')) as { version: string };
    return `${name}-${version}`;
  });
  t.equal(detectorVersion, ['hoc-detectors-2', ...libraries].join('/'));
});
