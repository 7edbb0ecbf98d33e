import fc from 'fast-check';
import t from 'tap';
import { formatCsvLine } from './csv.ts';

t.test('a cell that a spreadsheet would run is neutralised', async (t) => {
  for (const start of ['=', '+', '-', '@', '\t=', '\r=', '\n=', ' =', '＝', '＋', '－', '＠']) {
    const cell = formatCsvLine([`${start}cmd|' /C calc'!A0`]).replace(/^"/, '');
    t.ok(cell.startsWith("'"), JSON.stringify(start));
  }
});

t.test('numbers, negative ones too, stay numbers', async (t) => {
  t.equal(formatCsvLine([-5, '-5', '-0.25', '150000000']), '-5,-5,-0.25,150000000\r\n');
});

t.test('quotes, commas and line breaks are quoted; null is empty; objects are JSON', async (t) => {
  t.equal(
    formatCsvLine(['a"b', 'c,d', 'e\nf', null, { k: 'v' }, true]),
    '"a""b","c,d","e\nf",,"{""k"":""v""}",true\r\n',
  );
});

t.test('whatever the text, no cell begins with a formula sign', async () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const line = formatCsvLine([text]);
      const cell = line.slice(0, -2).replace(/^"/, '');
      return !/^\s*[=+@]/.test(cell) && !/^\s*-(?!\d+(\.\d+)?$)/.test(cell);
    }),
  );
});
