import { calling, join, sync, type Write } from './code.ts';
import { type Kind, plain, unify } from './kinds.ts';
import { mostArguments, type Operator, type OperatorRow } from './operator.ts';

/** Arithmetic whose result must be an exact integer (2^53): anything else throws, nothing is rounded. Never -0. */
const requireExact = sync((value: number): number => {
  if (!Number.isSafeInteger(value)) throw new RangeError('arithmetic left the exact integers');
  return value + 0;
});

const exact =
  (write: Write): Write =>
  (args, state) =>
    state.compile`${requireExact}(${write(args, state)})`;

/** `+` on each side, so that a value which is no number can never be joined as text. */
const writeSum: Write = (args, state) =>
  join('+')(
    args.map((arg) => state.compile`+(${arg})`),
    state,
  );

const writeDifference: Write = (args, state) =>
  args.length === 1 ? state.compile`-(${args[0]})` : join('-')(args, state);

/** Towards zero without rounding: `a - a % b` is a multiple of b, so that the quotient is an exact integer. */
const writeQuotient = calling((...values: number[]) => values.reduce((a, b) => (a - (a % b)) / b));
const writeRemainder = calling((...values: number[]) => values.reduce((a, b) => a % b));

const integerText = /^-?\d{1,16}$/;

/** `+` of one text: the integer it writes, exactly; any other text leaves the expression open. */
export const writeIntegerOfText: Write = exact(
  calling((text: string): number => (integerText.test(text) ? Number(text) : Number.NaN)),
);

function integers(args: readonly Kind[]): Kind | null {
  const kind = unify(args);
  return kind?.type === 'integer' ? kind : null;
}

const dimensionless: ReadonlySet<Kind['unit']> = new Set([null, 'count', 'percent']);

/** At most one factor carries a unit of its own; counts and percentages only scale. */
function product(args: readonly Kind[]): Kind | null {
  if (args.some(({ type }) => type !== 'integer')) return null;
  const units = args.map(({ unit }) => unit).filter((unit) => !dimensionless.has(unit));
  return units.length > 1 ? null : { type: 'integer', unit: units[0] ?? null };
}

/** What is divided by its own unit is a bare number; by a bare number, a count or a percentage it keeps its unit. */
function quotient(args: readonly Kind[]): Kind | null {
  if (args.some(({ type }) => type !== 'integer')) return null;
  let [unit = null] = args.map((arg) => arg.unit);
  for (const divisor of args.slice(1)) {
    if (divisor.unit === unit) unit = null;
    else if (!dimensionless.has(divisor.unit)) return null;
  }
  return { type: 'integer', unit };
}

function sum(args: readonly Kind[]): Kind | null {
  const [only] = args;
  return args.length === 1 && only?.type === 'text' ? plain('integer') : integers(args);
}

const arithmetic = (fields: Pick<Operator, 'arity' | 'typing' | 'meaning' | 'write'>): Operator => ({
  group: 'arithmetic',
  takes: 'integers whose units go together',
  ...fields,
});

const open = 'A result beyond 2^53 - 1 leaves the expression open.';

/** Arithmetic on exact integers. */
export const numberOperators: readonly OperatorRow[] = [
  [
    '+',
    {
      ...arithmetic({
        arity: [1, mostArguments],
        typing: sum,
        meaning: `the sum; of one text the integer that it writes. ${open}`,
        write: exact(writeSum),
      }),
      takes: 'integers of one unit, or one text',
    },
  ],
  [
    '-',
    arithmetic({
      arity: [1, mostArguments],
      typing: integers,
      meaning: `the first less the others, or the negative of one. ${open}`,
      write: exact(writeDifference),
    }),
  ],
  [
    '*',
    arithmetic({
      arity: [1, mostArguments],
      typing: product,
      meaning: `the product, at most one factor with a unit other than count and percent. ${open}`,
      write: exact((args, state) => (args.length === 1 ? state.compile`+(${args[0]})` : join('*')(args, state))),
    }),
  ],
  [
    '/',
    arithmetic({
      arity: [2, mostArguments],
      typing: quotient,
      meaning: 'the exact quotient without its fraction (towards zero); division by 0 leaves the expression open',
      write: exact(writeQuotient),
    }),
  ],
  [
    '%',
    arithmetic({
      arity: [2, mostArguments],
      typing: integers,
      meaning: 'the remainder, with the sign of the first; by 0 it leaves the expression open',
      write: exact(writeRemainder),
    }),
  ],
  [
    'min',
    arithmetic({
      arity: [1, mostArguments],
      typing: integers,
      meaning: 'the smallest',
      write: exact(calling((...values: number[]) => Math.min(...values))),
    }),
  ],
  [
    'max',
    arithmetic({
      arity: [1, mostArguments],
      typing: integers,
      meaning: 'the largest',
      write: exact(calling((...values: number[]) => Math.max(...values))),
    }),
  ],
  [
    'bare',
    {
      ...arithmetic({
        arity: [1, 1],
        typing: (args) => (integers(args) === null ? null : plain('integer')),
        meaning: 'the number alone, without its unit, to compare what has different units on purpose',
        write: (args, state) => state.compile`(${args[0]})`,
      }),
      takes: 'one integer',
    },
  ],
];
