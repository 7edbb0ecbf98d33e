import t from 'tap';
import { judgeConfiguration } from './configuration.ts';
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

t.test('a configuration that was refused is an error, one that is in force is nothing to tell', async (t) => {
  t.match(judgeConfiguration('hoc_configuration_alarms{process="supervisor"} 1\n'), [
    { check: 'configuration', severity: 'error', message: /last good/ },
  ]);
  t.same(judgeConfiguration('hoc_configuration_alarms{process="supervisor"} 0\n'), []);
});
