import fc from 'fast-check';
import t from 'tap';
import { askChatUsage } from './ask-usage.ts';

const ask = (text: string) => {
  const changed = askChatUsage(Buffer.from(text), JSON.parse(text.replace(/^\ufeff/, '')));
  return changed === null ? null : Buffer.from(changed.bytes).toString();
};

t.test('the request is inserted after the opening brace and nothing else changes', async (t) => {
  t.equal(ask('{"stream":true}'), '{"stream_options":{"include_usage":true},"stream":true}');
  t.equal(ask(' \n{ "stream" : true }'), ' \n{"stream_options":{"include_usage":true}, "stream" : true }');
  t.equal(ask('\ufeff{"stream":true}'), '\ufeff{"stream_options":{"include_usage":true},"stream":true}');
});

t.test('it is inserted into the stream options that are there', async (t) => {
  t.equal(
    ask('{"stream":true,"stream_options": {"include_obfuscation":false}}'),
    '{"stream":true,"stream_options": {"include_usage":true,"include_obfuscation":false}}',
  );
  t.equal(ask('{"stream_options":{},"stream":true}'), '{"stream_options":{"include_usage":true},"stream":true}');
  const decoy =
    '{"messages":[{"content":"\\"stream_options\\":{","stream_options":{}}],"stream":true,"stream_options":{ }}';
  t.equal(ask(decoy), decoy.replace('{ }}', '{"include_usage":true }}'));
});

t.test('a request that is no stream or has said what it wants is left alone', async (t) => {
  t.equal(ask('{"stream":false}'), null);
  t.equal(ask('{}'), null);
  t.equal(ask('[1]'), null);
  t.equal(ask('{"stream":true,"stream_options":{"include_usage":true}}'), null);
  t.equal(ask('{"stream":true,"stream_options":{"include_usage":false}}'), null);
  t.equal(ask('{"stream":true,"stream_options":null}'), null);
});

t.test('a name written with escapes is found', async (t) => {
  t.equal(
    ask('{"stream":true,"stream\\u005foptions":{}}'),
    '{"stream":true,"stream\\u005foptions":{"include_usage":true}}',
  );
});

t.test('the changed body parses to the same plus the one member, for any body', async (t) => {
  const options = fc.option(fc.dictionary(fc.string(), fc.jsonValue()), { nil: undefined });
  const body = fc.tuple(fc.dictionary(fc.string(), fc.jsonValue()), options, fc.integer({ min: 0, max: 2 }));
  fc.assert(
    fc.property(body, ([members, streamOptions, indent]) => {
      const { include_usage: _, ...rest } = streamOptions ?? {};
      const before = { ...members, ...(streamOptions === undefined ? {} : { stream_options: rest }), stream: true };
      if (streamOptions === undefined) Reflect.deleteProperty(before, 'stream_options');
      const text = JSON.stringify(before, null, indent);
      const bytes = Buffer.from(text);
      const changed = askChatUsage(bytes, JSON.parse(text));
      if (changed === null) return false;
      const after = JSON.parse(Buffer.from(changed.bytes).toString());
      const expected = { ...JSON.parse(text), stream_options: { ...rest, include_usage: true } };
      t.strictSame(after, expected);
      // A pure insertion: what was there is a prefix and a suffix of what is there now.
      const added = changed.bytes.length - bytes.length;
      let same = 0;
      while (same < bytes.length && changed.bytes[same] === bytes[same]) same++;
      return Buffer.from(changed.bytes.subarray(same + added)).equals(bytes.subarray(same));
    }),
    { numRuns: 300 },
  );
});
