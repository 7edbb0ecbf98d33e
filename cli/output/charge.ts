import type { ShownRun } from '../../console/contract/index.ts';
import { formatUsd } from './money.ts';

type ShownCharge = ShownRun['limits'][number];

const names: Readonly<Record<Exclude<ShownCharge['unit'] & string, 'nano_usd'>, readonly [one: string, more: string]>> =
  {
    requests: ['request', 'requests'],
    runs: ['run at once', 'runs at once'],
    input_tokens: ['input token', 'input tokens'],
    output_tokens: ['output token', 'output tokens'],
    total_tokens: ['token', 'tokens'],
    milliseconds: ['ms', 'ms'],
  };

/** What a run took of a limit, for a person: dollars for money, else whole numbers with their unit. */
export function formatCharge({ id, unit, reserved, settled, taken, ceiling, near }: ShownCharge): string {
  const show = (amount: string): string => (unit === 'nano_usd' ? formatUsd(amount) : groupDigits(amount));
  const showWithUnit = (amount: string): string => {
    if (unit === null || unit === 'nano_usd') return show(amount);
    return `${show(amount)} ${names[unit][amount === '1' ? 0 : 1]}`;
  };
  const counter = taken === null ? `ceiling ${show(ceiling)}` : `then ${show(taken)} of ${show(ceiling)}`;
  // What is held while a run is under way settles at nothing, whatever it was.
  const held = unit === 'runs' ? showWithUnit(reserved) : `${showWithUnit(settled)} (reserved ${show(reserved)})`;
  return `limit ${id}: ${held}, ${counter}${near ? ', first near its mark' : ''}`;
}

function groupDigits(amount: string): string {
  return amount.replace(/\B(?=(\d{3})+$)/g, ',');
}
