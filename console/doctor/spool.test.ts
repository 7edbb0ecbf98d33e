import t from 'tap';
import { judgeSpools } from './spool.ts';

t.test('spools that are shipped are fine', async (t) => {
  const metrics = 'hoc_spool_bytes{process="proxy-1"} 120\nhoc_spool_age_seconds{process="proxy-1"} 0.4\n';
  t.match(judgeSpools(metrics), [{ severity: 'ok', message: /120 bytes/ }]);
});

t.test('a spool that waits is named with its proxy, bytes and age', async (t) => {
  const metrics = [
    'hoc_spool_bytes{process="proxy-1"} 0',
    'hoc_spool_age_seconds{process="proxy-1"} 900',
    'hoc_spool_bytes{process="proxy-2"} 4096',
    'hoc_spool_age_seconds{process="proxy-2"} 75.5',
  ].join('\n');
  const findings = judgeSpools(metrics);
  t.match(findings, [{ severity: 'error', message: /^proxy-2: 4096 bytes wait for 76 s/ }]);
  t.equal(findings.length, 1);
});

t.test('an address without spools is a warning', async (t) => {
  t.match(judgeSpools('up 1\n'), [{ severity: 'warning' }]);
});
