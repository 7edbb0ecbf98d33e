import { generalRules, processRules } from './layers/everywhere.mjs';
import { driversRules, enginesRules, schemaRules } from './layers/lower.mjs';
import { operationsRules, routesAndCommands, screens } from './layers/upper.mjs';

const rows = [
  ['L1 screens', screens],
  ['L2 routes and commands', routesAndCommands],
  ['L4 operations', operationsRules],
  ['L5 engines', enginesRules],
  ['L6 drivers', driversRules],
  ['L7 schema and contract', schemaRules],
  ['Processes and their entries', processRules],
  ['Everywhere', generalRules],
];

/**
 * The layer table as data, read by `.dependency-cruiser.mjs`, by the planted-violation test and by the test that keeps
 * ARCHITECTURE.md in step.
 *
 * Each rule has an id that never changes, the row of the table it belongs to, a title (what holds), a reason (why it
 * holds) and an instead (what the offender does now). `from` and `to` are dependency-cruiser restrictions; paths are
 * relative to the project's root. A new rule takes the next free number and brings a planted violation.
 */
export const layerRules = rows.flatMap(([row, rules]) => rules.map((rule) => ({ row, ...rule })));
