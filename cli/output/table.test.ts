import t from 'tap';
import { formatUsd } from './money.ts';
import { formatTable } from './table.ts';

t.test('columns line up, numbers from the right, and hostile text is shown as escapes', async (t) => {
  const text = formatTable(
    [{ title: 'ID' }, { title: 'TOKENS', right: true }, { title: 'MODEL', max: 6 }],
    [
      ['a', 5, 'sim-small'],
      ['bbb', null, '\u001b[31m'],
    ],
  );
  t.equal(text, 'ID   TOKENS  MODEL\na         5  sim-s…\nbbb       -  \\x1b[…');
});

t.test('nano-USD become dollars without floating point', async (t) => {
  t.equal(formatUsd('9000000000000000001'), '$9000000000.000000001');
  t.equal(formatUsd('150000000'), '$0.15');
  t.equal(formatUsd('1'), '$0.000000001');
  t.equal(formatUsd('50000000000'), '$50.00');
  t.equal(formatUsd('-1500000000'), '-$1.50');
  t.equal(formatUsd(null), 'unpriced');
});
