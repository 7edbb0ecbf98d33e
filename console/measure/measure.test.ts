import t from 'tap';
import { runDetectorsMeasure } from './main.ts';

/** Runs the command and returns its exit code and output. */
async function measure(options: { json: boolean; failures: boolean }) {
  const captured = t.capture(process.stdout, 'write', () => true);
  const code = await runDetectorsMeasure(options);
  const output = captured()
    .map((call) => String(call.args[0]))
    .join('');
  captured.restore();
  return { code, output };
}

t.test('each detector has a line with its precision, recall and counts', async (t) => {
  const { code, output } = await measure({ json: false, failures: false });
  t.equal(code, 0);
  t.equal(
    output.split('\n').filter((line) => /^[a-z_]+ +\+\d+ -\d+ +[01]\.\d{3} [01]\.\d{3} \(\d+ \d+ \d+\)/.test(line))
      .length,
    13,
  );
});

t.test('failures are told where they are asked for, and as data', async (t) => {
  t.match((await measure({ json: false, failures: true })).output, /^ {2}(?:missed|wrong) "/m);
  const report = JSON.parse((await measure({ json: true, failures: false })).output);
  t.match(report, {
    version: /^hoc-detectors-/,
    detectors: [{ detector: 'email', byText: { precision: Number }, bySpan: { recall: Number } }],
  });
});
