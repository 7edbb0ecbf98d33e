import t from 'tap';
import type { LimitRow } from '../../../storage/schema/control.ts';
import type { LimitEntry } from '../../../storage/schema/snapshot.ts';
import { checkConfiguration } from '../configuration/check.ts';
import type { PlannedChange } from './change-list.ts';
import { planLimits } from './limits.ts';
import type { Planner } from './places.ts';

const hourMs = 3_600_000;
const start = Date.UTC(2027, 0, 1);

function fileOf(overrides: string): string {
  return `tenants:
  - slug: acme
    limits:
      - { id: rpm, kind: requests, ceiling: 600, window: 1m, overrides: [${overrides}] }
`;
}

/** Plans a file at an instant on top of what stood; answers the change, the definition and the findings. */
function plan(text: string, nowMs: number, before: LimitEntry | null = null, state: LimitRow['state'] = 'active') {
  const checked = checkConfiguration({ file: 'hoc.yaml', text, secrets: new Map(), secretsMustExist: false });
  if (!checked.ok) throw new Error(JSON.stringify(checked.findings));
  const [configuration] = checked.configuration.tenants;
  if (configuration === undefined) throw new Error('no tenant');
  // Limits are planned from what is given alone: of the context only the clock, of the transaction nothing.
  const planner = {
    context: { now: () => nowMs },
    owner: 'file:hoc.yaml',
    adopt: false,
    source: checked.source,
    findings: [],
  } as unknown as Planner;
  const known: LimitRow[] =
    before === null
      ? []
      : [
          {
            tenant: 'acme',
            id: 'rpm',
            version: 1,
            owner: 'file:hoc.yaml',
            definition: JSON.stringify(before),
            created_at_ms: 0,
            state,
          },
        ];
  const stored = {
    live: known.filter((row) => row.state === 'active'),
    newest: new Map(known.map((row) => [row.id, row])),
  };
  const [change] = planLimits(planner, { path: ['tenants', 0], configuration }, stored);
  return { change, entry: definitionOf(change), findings: planner.findings };
}

function definitionOf(change: PlannedChange | undefined): LimitEntry {
  if (change === undefined) throw new Error('nothing was planned');
  const { state: _state, version: _version, owner: _owner, ...entry } = change.after as LimitEntry & LimitRow;
  return entry;
}

t.test('an override without a beginning begins when it is first applied, and keeps that beginning', async (t) => {
  const text = fileOf('{ id: launch, ceiling: 900, until: 2027-01-02, reason: x }');
  const first = plan(text, start + 5);
  t.match(first.change, { change: 'created' });
  t.match(first.entry.overrides, [{ id: 'launch', from_ms: start + 5, until_ms: start + 24 * hourMs }]);
  const again = plan(text, start + hourMs, first.entry);
  t.match(again.change, { change: 'unchanged' });
  const after = plan(text, start + 1000 * hourMs, first.entry);
  t.match(after.change, { change: 'unchanged' }, 'also long after its end');
  const longer = plan(text.replace('2027-01-02', '2027-01-03'), start + hourMs, first.entry);
  t.match(longer.entry.overrides, [{ from_ms: start + 5, until_ms: start + 48 * hourMs }]);
});

t.test('an override whose end has passed when it is first applied was never in force, and is no mistake', async (t) => {
  const { entry, findings } = plan(fileOf('{ id: a, ceiling: 9, until: 2027-01-01, reason: x }'), start + hourMs);
  t.match(entry.overrides, [{ from_ms: start - 1, until_ms: start }]);
  t.same(findings, []);
});

t.test('more than 168 hours from now, or two from now on, are refused at save with their place', async (t) => {
  const long = plan(fileOf('{ id: a, ceiling: 9, until: 2027-01-09, reason: x }'), start);
  t.match(long.findings, [{ line: 4, field: 'tenants[0].limits[0].overrides[0].until', message: /168 hours/ }]);
  const two =
    '{ id: b, ceiling: 9, until: 2027-01-02, reason: x }, { id: a, ceiling: 9, until: 2027-01-03, reason: x }';
  t.match(plan(fileOf(two), start).findings, [
    { field: 'tenants[0].limits[0].overrides[1]', message: /one at a time/ },
  ]);
});

t.test('overrides are stored in the order of their ids, however the file lists them', async (t) => {
  const a = '{ id: a, ceiling: 9, from: 2027-01-03, until: 2027-01-04, reason: x }';
  const b = '{ id: B, ceiling: 9, from: 2027-01-01, until: 2027-01-02, reason: x }';
  const one = plan(fileOf(`${a}, ${b}`), start);
  t.same(
    one.entry.overrides?.map(({ id }) => id),
    ['B', 'a'],
  );
  t.match(plan(fileOf(`${b}, ${a}`), start, one.entry).change, { change: 'unchanged' });
});

const measured = (limit: string) => `tenants:\n  - slug: acme\n    limits:\n      - { id: rpm, ${limit} }\n`;

t.test('an id never counts otherwise than it once did, in force or retired', async (t) => {
  const requests = 'kind: requests, ceiling: 600, window: 1h, by: [key, model]';
  const changes: readonly [from: string, to: string, field: string, says: RegExp][] = [
    [requests, 'kind: money, ceilingUsd: "5", window: 1h', 'kind', /of kind requests/],
    [requests, requests.replace('1h', '1d'), 'window', /over 1h \(calendar\)/],
    [requests, `${requests}, align: rolling`, 'align', /over 1h \(calendar\)/],
    [requests, requests.replace('key, model', 'key'), 'by', /split by key, model/],
    [requests, requests.replace('key, model', 'model, key'), 'by', /split by key, model/],
    [requests.replace(', by: [key, model]', ''), requests, 'by', /not split/],
    [
      'kind: tokens, ceiling: 5, window: 1h',
      'kind: tokens, ceiling: 5, window: 1h, counts: input',
      'counts',
      /total tokens/,
    ],
    ['kind: cap, ceilingUsd: "1"', 'kind: cap, ceilingMs: 1000', 'kind', /a cap on cost/],
  ];
  for (const [from, to, field, says] of changes) {
    const { entry } = plan(measured(from), start);
    const name = `tenants[0].limits[0].${field}`;
    const standing = plan(measured(to), start, entry);
    t.match(standing.findings, [{ line: 4, field: name, message: says }], to);
    t.match(standing.findings, [{ message: /`rpm` is .*takes another id/ }]);
    const gone = plan(measured(to), start, entry, 'retired');
    t.match(gone.findings, [{ line: 4, field: name, message: says }], to);
    t.match(gone.findings, [{ message: /`rpm` was .*takes another id/ }]);
  }
});

t.test('an id may have another ceiling, and comes back as what it was in a version of its own', async (t) => {
  const { entry } = plan(measured('kind: requests, ceiling: 600, window: 60m'), start);
  const again = measured('kind: requests, ceiling: 5, window: 1h, near: 50');
  t.match(plan(again, start, entry), { findings: [], change: { change: 'updated', note: 'version 2' } });
  t.match(plan(again, start, entry, 'retired'), { findings: [], change: { change: 'created', note: 'version 2' } });
  const cap = plan(measured('kind: cap, ceilingMs: 5'), start).entry;
  t.same(plan(measured('kind: cap, ceilingMs: 9, by: [key]'), start, cap).findings, []);
});
