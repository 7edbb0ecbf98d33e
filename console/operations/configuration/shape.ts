import { configurationSchema } from '../../contract/configuration.ts';
import type { FieldPath } from './source.ts';

/** One field that does not have the shape the schema asks for. */
export interface ShapeFault {
  path: FieldPath;
  message: string;
}

/** The part of JSON Schema that the configuration's schema is written in. */
interface Schema {
  type?: string;
  description?: string;
  const?: unknown;
  anyOf?: readonly Schema[];
  properties?: Readonly<Record<string, Schema>>;
  patternProperties?: Readonly<Record<string, Schema>>;
  required?: readonly string[];
  items?: Schema;
  maxItems?: number;
  minItems?: number;
  pattern?: string;
  minLength?: number;
  maxLength?: number;
  minimum?: number;
  maximum?: number;
}

type Report = (path: FieldPath, message: string) => void;

const mostFaults = 200;

/** Under the `u` flag this class matches surrogates that have no partner: text that UTF-8 cannot say. */
const loneSurrogate = /\p{Surrogate}/u;

/**
 * Compares a parsed file with the published schema and returns every field that does not fit, in the order of the file
 * (at most 200): unknown and missing fields, wrong types, values out of bounds. Messages name what is expected and never
 * repeat a value. A validator of its own because a person needs one sentence a mistake, not a trace of schema keywords.
 */
export function checkShape(value: unknown): ShapeFault[] {
  const faults: ShapeFault[] = [];
  const report: Report = (path, message) => {
    if (faults.length < mostFaults) faults.push({ path, message });
  };
  checkValue(configurationSchema as unknown as Schema, value, [], report);
  return faults;
}

function describeType(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkValue(schema: Schema, value: unknown, path: FieldPath, report: Report): void {
  if (schema.anyOf !== undefined) return checkUnion(schema, schema.anyOf, value, path, report);
  if (schema.type === 'object') return checkObject(schema, value, path, report);
  if (schema.type === 'array') return checkList(schema, value, path, report);
  if (schema.type === undefined) return checkFree(schema, value, path, report);
  if (!fitsScalar(schema, value)) {
    const expected = schema.description ?? `a ${schema.type ?? 'value'}`;
    report(path, `Expected ${expected}, found ${fitsType(schema, value) ? 'another value' : describeType(value)}`);
  }
}

const deepestFree = 64;

/** A part without a schema of its own still has to be something that canonical JSON can say. */
function checkFree(schema: Schema, value: unknown, path: FieldPath, report: Report, depth = 0): void {
  const expected = schema.description ?? 'a value';
  if (depth > deepestFree) return report(path, `Nested deeper than ${deepestFree} levels; expected ${expected}`);
  if (value === undefined || (typeof value === 'number' && !Number.isFinite(value))) {
    return report(path, `Expected ${expected}, found ${value === undefined ? 'nothing' : 'a number without end'}`);
  }
  if (typeof value === 'string' && loneSurrogate.test(value)) return report(path, 'This text is not valid Unicode');
  if (typeof value !== 'object' || value === null) return;
  for (const [name, item] of Object.entries(value)) {
    const place = [...path, Array.isArray(value) ? Number(name) : name];
    if (loneSurrogate.test(name)) return report(path, 'A name in here is not valid Unicode');
    checkFree(schema, item, place, report, depth + 1);
  }
}

function fitsType(schema: Schema, value: unknown): boolean {
  if (schema.type === undefined) return value !== undefined;
  return schema.type === 'integer' ? Number.isSafeInteger(value) : typeof value === schema.type;
}

function fitsScalar(schema: Schema, value: unknown): boolean {
  if (!fitsType(schema, value)) return false;
  if (schema.const !== undefined && value !== schema.const) return false;
  if (typeof value === 'number') return value >= (schema.minimum ?? value) && value <= (schema.maximum ?? value);
  if (typeof value !== 'string') return true;
  if (loneSurrogate.test(value)) return false;
  if (value.length < (schema.minLength ?? 0) || value.length > (schema.maxLength ?? 1_000)) return false;
  return schema.pattern === undefined || new RegExp(schema.pattern).test(value);
}

/** A union is told apart by its constants: the one branch whose constant fields agree is the one that was meant. */
function checkUnion(
  schema: Schema,
  branches: readonly Schema[],
  value: unknown,
  path: FieldPath,
  report: Report,
): void {
  const meant = isObject(value) ? branches.filter((branch) => branch.type === 'object' && constantsAgree(branch, value)) : [];
  const only = meant[0];
  if (meant.length === 1 && only !== undefined) return checkObject(only, value, path, report);
  if (Array.isArray(value)) {
    const list = branches.find((branch) => branch.type === 'array');
    if (list !== undefined) return checkList(list, value, path, report);
  }
  if (branches.some((branch) => branch.type !== 'object' && branch.type !== 'array' && fitsScalar(branch, value))) return;
  const sameType = branches.some((branch) => fitsType(branch, value));
  report(path, `Expected ${schema.description ?? 'another value'}, found ${sameType ? 'another value' : describeType(value)}`);
}

function constantsAgree(branch: Schema, value: Readonly<Record<string, unknown>>): boolean {
  const constants = Object.entries(branch.properties ?? {}).filter(([, property]) => property.const !== undefined);
  return constants.every(([name, property]) => value[name] === property.const);
}

function checkList(schema: Schema, value: unknown, path: FieldPath, report: Report): void {
  if (!Array.isArray(value)) return report(path, `Expected ${schema.description ?? 'a list'}, found ${describeType(value)}`);
  if (value.length < (schema.minItems ?? 0)) report(path, 'Expected at least one item');
  if (value.length > (schema.maxItems ?? value.length)) return report(path, `Expected at most ${schema.maxItems} items`);
  const { items } = schema;
  if (items !== undefined) value.forEach((item, index) => checkValue(items, item, [...path, index], report));
}

function checkObject(schema: Schema, value: unknown, path: FieldPath, report: Report): void {
  if (!isObject(value)) return report(path, `Expected ${schema.description ?? 'an object'}, found ${describeType(value)}`);
  if (schema.patternProperties !== undefined) return checkRecord(schema.patternProperties, value, path, report);
  const properties = new Map(Object.entries(schema.properties ?? {}));
  for (const name of schema.required ?? []) {
    const expected = properties.get(name)?.description;
    const wanted = expected === undefined ? '' : `: ${expected}`;
    if (!Object.hasOwn(value, name)) report([...path, name], `Missing: \`${name}\` is required${wanted}`);
  }
  for (const [name, field] of Object.entries(value)) {
    const property = properties.get(name);
    if (property === undefined) {
      report([...path, name], `Unknown field; expected one of: ${[...properties.keys()].join(', ')}`);
    } else if (field !== undefined) checkValue(property, field, [...path, name], report);
  }
}

function checkRecord(
  patterns: Readonly<Record<string, Schema>>,
  value: Readonly<Record<string, unknown>>,
  path: FieldPath,
  report: Report,
): void {
  for (const [name, field] of Object.entries(value)) {
    const found = Object.entries(patterns).find(([pattern]) => new RegExp(pattern).test(name));
    if (found === undefined) report([...path, name], 'The name of this field is not allowed here');
    else checkValue(found[1], field, [...path, name], report);
  }
}
