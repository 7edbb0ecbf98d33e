import fc from 'fast-check';
import t from 'tap';
import { hasMember, TextCounter } from './delta-text.ts';

const slots = new Map([
  ['content', 0],
  ['reasoning', 1],
]);
const toLatin1 = (json: string) => Buffer.from(json, 'utf8').toString('latin1');
const anyText = fc.string({ unit: 'binary', maxLength: 40 });

t.test('scanned lengths are those of the parsed strings, whatever they hold', async (t) => {
  fc.assert(
    fc.property(anyText, anyText, fc.integer({ min: 0, max: 2 }), (content, other, indent) => {
      const counter = new TextCounter(slots, { wholeFrame: true });
      const json = JSON.stringify({ other, delta: { content, list: [content, { reasoning: other }] } }, null, indent);
      counter.addScanned(toLatin1(json), 0);
      return counter.totals[0] === content.length && counter.totals[1] === other.length;
    }),
  );
  t.pass('holds for every sample');
});

t.test('escaped and plain spellings of a text have one length', async (t) => {
  const counter = new TextCounter(slots, { wholeFrame: true });
  counter.addScanned('{"content":"\\u00e9\\ud83d\\ude00\\n"}', 0);
  counter.addScanned(toLatin1('{"content":"é😀x"}'), 0);
  t.equal(counter.totals[0], 8);
});

t.test('framed and scanned counts agree over any stream of events', async (t) => {
  const event = fc.record({ content: anyText, pad: fc.stringMatching(/^[a-z]{0,9}$/), finish: fc.boolean() });
  fc.assert(
    fc.property(fc.array(event, { maxLength: 20 }), (events) => {
      const counter = new TextCounter(slots, { wholeFrame: true });
      let finished = 0;
      for (const { content, pad, finish } of events) {
        const json = toLatin1(JSON.stringify({ delta: { content }, finish: finish ? 'stop' : null, pad }));
        if (counter.addFramed(json)) continue;
        counter.addScanned(json, 0);
        if (hasMember(json, '"finish"')) finished++;
        else counter.rememberFrame(json);
      }
      const length = events.reduce((sum, { content }) => sum + content.length, 0);
      return counter.totals[0] === length && finished === events.filter(({ finish }) => finish).length;
    }),
  );
  t.pass('holds for every sample');
});

t.test('a text that looks like a member is none', async (t) => {
  t.notOk(hasMember(JSON.stringify({ a: '"usage":1', b: '\\"usage\\":{}' }), '"usage"'));
  t.ok(hasMember('{"usage" : {}}', '"usage"'));
  t.notOk(hasMember('{"usage": null}', '"usage"'));
  t.ok(hasMember('{"usage":null,"x":{"usage":{}}}', '"usage"'));
});

t.test('broken JSON ends a count without an error', async (t) => {
  fc.assert(
    fc.property(anyText, fc.nat(60), (content, length) => {
      const counter = new TextCounter(slots, { wholeFrame: true });
      const json = toLatin1(JSON.stringify({ content })).slice(0, length);
      counter.addScanned(json, 0);
      counter.rememberFrame(json);
      counter.addFramed(json);
    }),
  );
  t.pass('holds for every sample');
});
