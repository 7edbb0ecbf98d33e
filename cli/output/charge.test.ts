import t from 'tap';
import { formatCharge } from './charge.ts';

const charge = { id: 'x', reserved: '1', settled: '1', taken: '3', ceiling: '600', near: false };

t.test('a charge says its unit: dollars for money, a name for what is counted', async (t) => {
  const money = { reserved: '50000000', settled: '12300000', taken: '1200000000', ceiling: '50000000000' };
  t.equal(
    formatCharge({ ...charge, ...money, unit: 'nano_usd', near: true }),
    'limit x: $0.0123 (reserved $0.05), then $1.20 of $50.00, first near its mark',
  );
  const tokens = { reserved: '20480', settled: '1200', taken: null, ceiling: '1000000' };
  t.equal(
    formatCharge({ ...charge, ...tokens, unit: 'output_tokens' }),
    'limit x: 1,200 output tokens (reserved 20,480), ceiling 1,000,000',
  );
  t.equal(formatCharge({ ...charge, unit: 'requests' }), 'limit x: 1 request (reserved 1), then 3 of 600');
  t.equal(formatCharge({ ...charge, settled: '0', unit: 'runs' }), 'limit x: 1 run at once, then 3 of 600');
  t.equal(
    formatCharge({ ...charge, settled: '950', taken: null, unit: 'milliseconds' }),
    'limit x: 950 ms (reserved 1), ceiling 600',
  );
});

t.test('a charge of a limit that nobody knows is shown as the bare amount', async (t) => {
  t.equal(formatCharge({ ...charge, unit: null }), 'limit x: 1 (reserved 1), then 3 of 600');
});
