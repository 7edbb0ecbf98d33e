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
function plan(text: string, nowMs: number, before: LimitEntry | null = null) {
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
  const live: LimitRow[] =
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
            state: 'active',
          },
        ];
  const [change] = planLimits(planner, { path: ['tenants', 0], configuration }, { live, versions: new Map() });
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

t.test('a limit never changes its kind or what it counts, since counters and records go by its id', async (t) => {
  const { entry } = plan(fileOf(''), start);
  const fileWith = (limit: string) =>
    `tenants:\n  - slug: acme\n    limits:\n      - { id: rpm, window: 1m, ${limit} }\n`;
  const money = plan(fileWith('kind: money, ceilingUsd: "5"'), start, entry);
  t.match(money.findings, [
    { line: 4, field: 'tenants[0].limits[0].kind', message: /is of kind requests.*another limit/ },
  ]);
  const total = plan(fileWith('kind: tokens, ceiling: 5'), start);
  t.same(total.findings, []);
  const input = plan(fileWith('kind: tokens, ceiling: 5, counts: input'), start, total.entry);
  t.match(input.findings, [{ line: 4, field: 'tenants[0].limits[0].counts', message: /counts other tokens/ }]);
  t.same(plan(fileWith('kind: tokens, ceiling: 9, counts: total'), start, total.entry).findings, []);
});
