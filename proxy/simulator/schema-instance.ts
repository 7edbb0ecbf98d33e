type Schema = Readonly<Record<string, unknown>>;

const maxDepth = 12;

/**
 * Makes a small value that fits a JSON Schema: the first of choices, required properties only (all where none is named as
 * required), one item an array at least needs. Covers what tools and structured output use; anything else is a text.
 */
export function makeInstance(schema: unknown): unknown {
  return make(schema, { root: schema, depth: 0 });
}

interface Place {
  root: unknown;
  depth: number;
}

function make(schema: unknown, place: Place): unknown {
  if (!isSchema(schema) || place.depth > maxDepth) return null;
  const inner = { ...place, depth: place.depth + 1 };
  if (typeof schema.$ref === 'string') return make(resolve(place.root, schema.$ref), inner);
  if (schema.const !== undefined) return schema.const;
  if (schema.default !== undefined) return schema.default;
  if (Array.isArray(schema.enum)) return schema.enum[0];
  for (const name of ['anyOf', 'oneOf', 'allOf'] as const) {
    const choices = schema[name];
    if (Array.isArray(choices)) return make(choices[0], inner);
  }
  const type = Array.isArray(schema.type) ? schema.type[0] : schema.type;
  return makeTyped(schema, typeof type === 'string' ? type : guessType(schema), inner);
}

function makeTyped(schema: Schema, type: string, place: Place): unknown {
  if (type === 'object') return makeObject(schema, place);
  if (type === 'array') {
    const items = typeof schema.minItems === 'number' ? schema.minItems : 0;
    return Array.from({ length: Math.min(items, 100) }, () => make(schema.items, place));
  }
  if (type === 'integer' || type === 'number') return typeof schema.minimum === 'number' ? schema.minimum : 1;
  if (type === 'boolean') return true;
  if (type === 'null') return null;
  return makeText(schema);
}

function makeObject(schema: Schema, place: Place): unknown {
  const properties = isSchema(schema.properties) ? schema.properties : {};
  const required = Array.isArray(schema.required) ? schema.required : [];
  const names = required.length > 0 ? required : Object.keys(properties);
  return Object.fromEntries(names.map((name) => [String(name), make(properties[String(name)], place)]));
}

function makeText(schema: Schema): string {
  const least = typeof schema.minLength === 'number' ? schema.minLength : 0;
  if (schema.format === 'date') return '2026-01-01';
  if (schema.format === 'date-time') return '2026-01-01T00:00:00Z';
  return 'text'.padEnd(Math.min(least, 1000), 't');
}

function guessType(schema: Schema): string {
  if (isSchema(schema.properties)) return 'object';
  return schema.items === undefined ? 'string' : 'array';
}

function resolve(root: unknown, reference: string): unknown {
  let at = root;
  for (const step of reference.replace(/^#\/?/, '').split('/')) {
    if (step !== '') at = isSchema(at) ? at[step] : undefined;
  }
  return at;
}

function isSchema(value: unknown): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
