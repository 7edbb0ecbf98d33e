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

/** A value of the file with the schema it is held against. */
interface Place {
  schema: Schema;
  value: unknown;
  path: FieldPath;
}

/** Most faults that `checkShape` returns. */
export const mostFaults = 200;
const deepestFree = 64;

/** Under the `u` flag this class matches surrogates that have no partner: text that UTF-8 cannot say. */
const loneSurrogate = /\p{Surrogate}/u;

/**
 * Compares a parsed file with the published schema and returns every field that does not fit, in the order of the file
 * (at most 200): unknown and missing fields, wrong types, values out of bounds. Messages name what is expected and never
 * repeat a value. A validator of its own because a person needs one sentence a mistake, not a trace of schema keywords.
 */
export function checkShape(value: unknown): ShapeFault[] {
  return checkValue({ schema: configurationSchema as unknown as Schema, value, path: [] }).slice(0, mostFaults);
}

function fault(path: FieldPath, message: string): ShapeFault[] {
  return [{ path, message }];
}

/** `Expected <what the schema says, or otherwise>, found <type of the value, or another value>`. */
function mismatch({ schema, value, path }: Place, otherwise: string, isRightType = false): ShapeFault[] {
  const found = isRightType ? 'another value' : describeType(value);
  return fault(path, `Expected ${schema.description ?? otherwise}, found ${found}`);
}

function describeType(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function checkValue(place: Place): ShapeFault[] {
  const { schema, value } = place;
  if (schema.anyOf !== undefined) return checkUnion(place, schema.anyOf);
  if (schema.type === 'object') return checkObject(place);
  if (schema.type === 'array') return checkList(place);
  if (schema.type === undefined) return checkFree(place, 0);
  return fitsScalar(schema, value) ? [] : mismatch(place, `a ${schema.type}`, fitsType(schema, value));
}

/** A part without a schema of its own still has to be something that canonical JSON can say. */
function checkFree(place: Place, depth: number): ShapeFault[] {
  const { schema, value, path } = place;
  const expected = schema.description ?? 'a value';
  if (depth > deepestFree) return fault(path, `Nested deeper than ${deepestFree} levels; expected ${expected}`);
  if (value === undefined) return mismatch(place, 'a value');
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return fault(path, `Expected ${expected}, found a number that JSON does not have`);
  }
  if (typeof value === 'string' && loneSurrogate.test(value)) return fault(path, 'This text is not valid Unicode');
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, item]) => {
    if (loneSurrogate.test(name)) return fault(path, 'A name in here is not valid Unicode');
    return checkFree({ schema, value: item, path: [...path, Array.isArray(value) ? Number(name) : name] }, depth + 1);
  });
}

function fitsType(schema: Schema, value: unknown): boolean {
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
function checkUnion(place: Place, branches: readonly Schema[]): ShapeFault[] {
  const { value } = place;
  const objects = branches.filter((branch) => branch.type === 'object');
  const meant = isObject(value) ? objects.filter((branch) => constantsAgree(branch, value)) : [];
  const [only] = meant;
  if (meant.length === 1 && only !== undefined) return checkObject({ ...place, schema: only });
  const list = Array.isArray(value) ? branches.find((branch) => branch.type === 'array') : undefined;
  if (list !== undefined) return checkList({ ...place, schema: list });
  const scalars = branches.filter((branch) => branch.type !== 'object' && branch.type !== 'array');
  if (scalars.some((branch) => fitsScalar(branch, value))) return [];
  const isRightType = branches.some((branch) => fitsType(branch, value));
  return mismatch(place, 'one of its forms', isRightType);
}

function constantsAgree(branch: Schema, value: Readonly<Record<string, unknown>>): boolean {
  const constants = Object.entries(branch.properties ?? {}).filter(([, property]) => property.const !== undefined);
  return constants.every(([name, property]) => value[name] === property.const);
}

function checkList(place: Place): ShapeFault[] {
  const { schema, value, path } = place;
  if (!Array.isArray(value)) return mismatch(place, 'a list');
  if (value.length < (schema.minItems ?? 0)) return fault(path, 'Expected at least one item');
  if (value.length > (schema.maxItems ?? value.length)) return fault(path, `Expected at most ${schema.maxItems} items`);
  const { items } = schema;
  if (items === undefined) return [];
  return value.flatMap((item, index) => checkValue({ schema: items, value: item, path: [...path, index] }));
}

function checkObject(place: Place): ShapeFault[] {
  const { schema, value, path } = place;
  if (!isObject(value)) return mismatch(place, 'an object');
  if (schema.patternProperties !== undefined) return checkRecord(schema.patternProperties, value, path);
  const properties = new Map(Object.entries(schema.properties ?? {}));
  const missing = (schema.required ?? []).filter((name) => !Object.hasOwn(value, name));
  const faults = missing.flatMap((name) => {
    const expected = properties.get(name)?.description;
    return fault([...path, name], `Missing: \`${name}\` is required${expected === undefined ? '' : `: ${expected}`}`);
  });
  const present = Object.entries(value).flatMap(([name, field]) => {
    const property = properties.get(name);
    if (property === undefined) {
      return fault([...path, name], `Unknown field; expected one of: ${[...properties.keys()].join(', ')}`);
    }
    return field === undefined ? [] : checkValue({ schema: property, value: field, path: [...path, name] });
  });
  return [...faults, ...present];
}

function checkRecord(
  patterns: Readonly<Record<string, Schema>>,
  value: Readonly<Record<string, unknown>>,
  path: FieldPath,
): ShapeFault[] {
  return Object.entries(value).flatMap(([name, field]) => {
    const found = Object.entries(patterns).find(([pattern]) => new RegExp(pattern).test(name));
    if (found === undefined) return fault([...path, name], 'The name of this field is not allowed here');
    return checkValue({ schema: found[1], value: field, path: [...path, name] });
  });
}
