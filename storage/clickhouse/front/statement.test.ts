import fc from 'fast-check';
import t from 'tap';
import { ClickHouseException } from './exception.ts';
import { readTokens } from './lexer.ts';
import { readStatement } from './statement.ts';

function insertInto(sql: string): [string, string, string] | null {
  const { insert } = readStatement(sql);
  return insert?.source === 'data' ? [sql.slice(0, insert.placement), insert.tail, sql.slice(insert.dataStart)] : null;
}

t.test('data of an INSERT is found, and the place for its source', (t) => {
  const cases: [string, [string, string, string] | null][] = [
    ['INSERT INTO t FORMAT CSV', ['INSERT INTO t ', 'FORMAT CSV', '']],
    ['insert into t (a, b) format JSONEachRow\n{"a":1}', ['insert into t (a, b) ', 'format JSONEachRow', '{"a":1}']],
    [
      'INSERT INTO t SETTINGS x = 1, y = 2 FORMAT TSV  \n a',
      ['INSERT INTO t ', 'SETTINGS x = 1, y = 2 FORMAT TSV', ' a'],
    ],
    ['INSERT INTO t (a) VALUES', ['INSERT INTO t (a) ', ' FORMAT Values', '']],
    ['INSERT INTO t (a) SETTINGS x=1 VALUES (1)', ['INSERT INTO t (a) ', 'SETTINGS x=1  FORMAT Values', '(1)']],
    [
      'INSERT INTO TABLE db.`format` (`values`) FORMAT CSV',
      ['INSERT INTO TABLE db.`format` (`values`) ', 'FORMAT CSV', ''],
    ],
    ['INSERT INTO format FORMAT CSV', ['INSERT INTO format ', 'FORMAT CSV', '']],
    ['INSERT INTO settings.values FORMAT CSV', ['INSERT INTO settings.values ', 'FORMAT CSV', '']],
    ['INSERT INTO t SELECT 1 FORMAT CSV', null],
    ['INSERT INTO t WITH 1 AS x SELECT x', null],
    ['INSERT INTO t', null],
  ];
  for (const [sql, expected] of cases) t.same(insertInto(sql), expected, sql);
  t.end();
});

t.test('data behind FORMAT is never read as SQL', (t) => {
  const data = "it's (unbalanced; /* text";
  t.same(insertInto(`INSERT INTO t FORMAT CSV\n${data}`), ['INSERT INTO t ', 'FORMAT CSV', data]);
  t.end();
});

t.test('a second statement is refused, a closing semicolon is not', (t) => {
  const refused = [
    'SELECT 1; SELECT 2',
    'INSERT INTO t SELECT 1; DROP TABLE t',
    'INSERT INTO t VALUES (1); DROP TABLE t',
    'INSERT INTO t; DROP TABLE t',
    ';;SELECT 1;x',
  ];
  for (const sql of refused)
    t.throws(() => readStatement(sql), new ClickHouseException(62, 'Multi-statements are not allowed'), sql);
  for (const sql of ['SELECT 1;', "SELECT ';'", 'SELECT 1 -- ; x', "INSERT INTO t VALUES ('a;b');"])
    t.doesNotThrow(() => readStatement(sql), sql);
  t.end();
});

t.test('kind, format and totals are read from the outermost query', (t) => {
  t.match(readStatement('WITH x AS (SELECT 1 FORMAT JSON) SELECT * FROM x FORMAT CSV'), {
    kind: 'select',
    format: 'CSV',
    totals: false,
  });
  t.match(readStatement('(SELECT 1) UNION ALL (SELECT 2)'), { kind: 'select', format: null });
  t.match(readStatement('SELECT a AS format FROM t'), { format: null });
  t.match(readStatement('SELECT 1 FORMAT TSV SETTINGS x = 1;'), { format: 'TSV' });
  t.match(readStatement('SELECT k, count() FROM t GROUP BY k WITH TOTALS'), { totals: true });
  t.match(readStatement('/* c */ ALTER TABLE t DELETE WHERE 1'), { kind: 'other', verb: 'ALTER' });
  t.end();
});

t.test('tokens cover any text in order and without overlap, and reading ends', (t) => {
  const pieces = fc.constantFrom(
    "'",
    '"',
    '`',
    '\\',
    '{x:',
    '}',
    '$',
    '$$',
    '--',
    '/*',
    '*/',
    '#',
    ';',
    '(',
    ')',
    'SELECT',
    ' ',
    '\n',
    'é',
  );
  const property = fc.property(fc.array(fc.oneof(pieces, fc.string({ maxLength: 3 })), { maxLength: 30 }), (parts) => {
    const sql = parts.join('');
    let at = 0;
    for (const token of readTokens(sql)) {
      if (token.start < at || token.end <= token.start || token.end > sql.length) throw new Error('tokens overlap');
      at = token.end;
    }
  });
  fc.assert(property, { numRuns: 2000 });
  t.end();
});
