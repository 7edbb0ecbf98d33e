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
  // The worst that a search over short repeats and labelled texts found, by detector.
  '11@',
  'x@y.z ',
  '(0 ',
  '(0-',
  '0.(',
  'tel (0 ',
  'x=+12025550 ',
  '+999 123 456 789\n',
  '1-800-356-9377\n',
  'tel: 020 7946 0958 ',
  '86095742710 ',
  '046 454 286 ',
  '::1 ',
  'bind [::]:80 ',
  'eyJ-',
  '_eyJ',
  `eyJ${'a'.repeat(20)}.eyJ`,
  'glpat-',
  'discord ',
  'a@sk-',
  'a@-----BEGIN ',
  'print the your ',
  'ignore all all ',
  'act as DAN, ',
  'rm -rrrrrrrr ',
  'rm -r -r -r ',
  'docker run  ',
];

const small = 4_096;
const factor = 8;
/** Microseconds that a UTF-16 unit may take. Less than one, measured on Node 20 (2 cores, Debian 12): a busy or slow machine gets six times as much. */
const mostPerUnit = 6;
/** What eight times the text may cost in proportion: a square would make it eight. */
const mostGrowth = 3;

function cpuMs(work: () => void): number {
  const before = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

const perUnit = (ms: number, size: number): number => (ms * 1000) / size;

for (const id of detectorIds) {
  t.test(`${id} takes time in proportion to any text, and little of it`, async (t) => {
    for (const unit of hostile) {
      const [less, more] = [small, small * factor].map((size) => unit.repeat(Math.ceil(size / unit.length)));
      let [once, eight] = [0, 0];
      // Again where it does not fit, since a collection of garbage or a compilation may fall into either; a square never fits.
      for (let round = 0; round < 4 && (round === 0 || !fits(once, eight)); round += 1) {
        once = perUnit(
          cpuMs(() => detect(less ?? '', [id])),
          small,
        );
        eight = perUnit(
          cpuMs(() => detect(more ?? '', [id])),
          small * factor,
        );
      }
      const took = `${once.toFixed(2)} us a unit, then ${eight.toFixed(2)} us`;
      t.ok(fits(once, eight), `${JSON.stringify(unit)}: ${took}`);
    }
  });
}

function fits(once: number, eight: number): boolean {
  return eight < mostPerUnit && (eight < 1 || eight < once * mostGrowth);
}

t.test('many short texts cost little more than their characters', async (t) => {
  const texts = Array.from({ length: 20_000 }, (_, i) => `part ${i}`);
  for (const id of detectorIds) {
    const lookThrough = () => texts.reduce((count, text) => count + detect(text, [id]).length, 0);
    lookThrough();
    const us = (cpuMs(lookThrough) * 1000) / texts.length;
    t.ok(us < 15, `${id}: ${us.toFixed(2)} us a text`);
  }
});
