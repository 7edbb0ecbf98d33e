import fc from 'fast-check';
import t from 'tap';
import { joinMetrics } from './metrics.ts';

const proxy = `# HELP hoc_runs_total Runs by status.
# TYPE hoc_runs_total counter
hoc_runs_total{status="ok"} 3
# HELP hoc_latency_ms Latency.
# TYPE hoc_latency_ms histogram
hoc_latency_ms_bucket{le="1"} 1
hoc_latency_ms_bucket{le="+Inf"} 2
hoc_latency_ms_sum 7.5
hoc_latency_ms_count 2
up 1 1700000000000
`;

t.test('HELP and TYPE stand once, and a family is in one piece over all processes', async (t) => {
  const joined = joinMetrics([
    { process: 'proxy', text: proxy },
    { process: 'control', text: proxy.replace('Runs by status.', 'Another help.') },
  ]);
  t.equal(
    joined,
    `# HELP hoc_runs_total Runs by status.
# TYPE hoc_runs_total counter
hoc_runs_total{process="proxy",status="ok"} 3
hoc_runs_total{process="control",status="ok"} 3
# HELP hoc_latency_ms Latency.
# TYPE hoc_latency_ms histogram
hoc_latency_ms_bucket{process="proxy",le="1"} 1
hoc_latency_ms_bucket{process="proxy",le="+Inf"} 2
hoc_latency_ms_sum{process="proxy"} 7.5
hoc_latency_ms_count{process="proxy"} 2
hoc_latency_ms_bucket{process="control",le="1"} 1
hoc_latency_ms_bucket{process="control",le="+Inf"} 2
hoc_latency_ms_sum{process="control"} 7.5
hoc_latency_ms_count{process="control"} 2
up{process="proxy"} 1 1700000000000
up{process="control"} 1 1700000000000
`,
  );
});

t.test('a label that is already called process is kept as exported_process', async (t) => {
  t.equal(
    joinMetrics([{ process: 'a', text: 'x{process="b",y="1"} 2\n' }]),
    'x{process="a",exported_process="b",y="1"} 2\n',
  );
});

t.test('braces, quotes and commas inside a label value stay as they are', async (t) => {
  const value = '"a},{b=\\"c\\",\\\\"';
  t.equal(joinMetrics([{ process: 'p', text: `x{l=${value}} 1\n` }]), `x{process="p",l=${value}} 1\n`);
});

t.test('empty label lists, blank lines, comments and rubbish do no harm', async (t) => {
  const text = 'x{} 1\n\n# EOF\n# a comment\nnot a sample{ 3\n{} 4\ny{a="b" 5\n';
  t.equal(joinMetrics([{ process: 'p', text }]), 'x{process="p"} 1\n');
  t.equal(joinMetrics([]), '');
});

t.test('every label value that a client can write comes through unchanged', async () => {
  const quote = (value: string) => value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
  fc.assert(
    fc.property(fc.string(), (value) => {
      const label = `l="${quote(value.replaceAll('\r', ''))}"`;
      return joinMetrics([{ process: 'p', text: `x{${label}} 1\n` }]) === `x{process="p",${label}} 1\n`;
    }),
  );
});
