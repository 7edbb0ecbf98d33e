import t from 'tap';
import { detect, detectorIds } from './index.ts';

/** Texts that make a search with nested repetitions or rescans quadratic, each repeated to a size. */
const hostile = [
  'a',
  '1',
  '1 ',
  '1-',
  '1.',
  'a:',
  '::',
  '@',
  'a@',
  'a.b@',
  'a@b.co ',
  '=a@',
  '+1 415 555 2671 ',
  '(4)',
  'tel 1234567 ',
  'tel 0301234567 ',
  '4111 ',
  '4242 4242 4242 4242, ',
  'DE89 ',
  'DE89',
  'sk-',
  'sk-proj-',
  'bearer ',
  'token=',
  'eyJ',
  'eyJaaaaaaaaaaaa.',
  'api_key: ',
  'secret',
  '-----BEGIN PRIVATE KEY-----',
  `-----BEGIN PRIVATE KEY-----\n${'QUJD'.repeat(20)}`,
  'BEGIN ',
  'PuTTY-User-Key-File-',
  '://a:',
  '"d":"',
  'private key: ',
  'ignore all ',
  'ignore all previous instructions ',
  'reveal a b c d ',
  'do anything now ',
  'rm -rf ',
  'curl ',
  '| sh ',
  '../',
  '\u{e0041}',
  '1\u200b',
  '\u{e0041}a',
  ' ',
  '\n',
  '漢',
  '536-90-4399 ',
  '86095742719 cpf pesel bsn ',
  '10.0.0.1:',
  '𝐈',
];

const small = 12_000;
const factor = 8;
/** What eight times the text may cost at least, so that noise never decides: 100 ms for 96,000 characters are 4 ms for 4 KiB. */
const negligibleMs = 100;

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

for (const id of detectorIds) {
  t.test(`${id} takes time in proportion to any text`, async (t) => {
    for (const unit of hostile) {
      const [less, more] = [small, small * factor].map((size) => unit.repeat(Math.ceil(size / unit.length)));
      detect(less ?? '', [id]);
      let [once, eight] = [0, 0];
      // Twice, since a collection of garbage or a compilation may fall into either; a square never fits.
      for (let round = 0; round < 2 && (round === 0 || !fits(once, eight)); round += 1) {
        once = cpuMs(() => detect(less ?? '', [id]));
        eight = cpuMs(() => detect(more ?? '', [id]));
      }
      t.ok(fits(once, eight), `${JSON.stringify(unit)}: ${once.toFixed(1)} ms, then ${eight.toFixed(1)} ms`);
    }
  });
}

function fits(once: number, eight: number): boolean {
  return eight < negligibleMs || eight < once * factor * 3;
}
