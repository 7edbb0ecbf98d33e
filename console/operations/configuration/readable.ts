import type { ConfigurationFile } from '../../contract/configuration.ts';
import type { ShapeFault } from './shape.ts';
import type { FieldPath } from './source.ts';

/** What of a file can be looked at more closely though other parts of it do not have their shape. */
export interface ReadablePart {
  configuration: ConfigurationFile;
  /** Where a place of `configuration` stands in the file. */
  placeInFile(path: FieldPath): FieldPath;
  /** Whether a finding at this place of `configuration` holds, whatever the unreadable parts should have said. */
  isCertain(path: FieldPath): boolean;
}

type Fields = Readonly<Record<string, unknown>>;

/** Lists that others refer to, with the fields that do, and what stands for an entry of which only the name is readable. */
const referred: Readonly<Record<string, { by: readonly string[]; standIn: (entry: Fields) => Fields | null }>> = {
  subTenants: { by: ['parent', 'subTenant'], standIn: ({ slug }) => (isText(slug) ? { slug } : null) },
  providers: {
    by: ['provider'],
    standIn: ({ slug }) => (isText(slug) ? { slug, baseUrl: 'https://provider.invalid' } : null),
  },
  prices: { by: ['priceAs'], standIn: ({ list }) => (isText(list) ? { list, models: [] } : null) },
};

/**
 * Takes out of a parsed file every entry of a list that has a fault, every faulty field of a tenant, and every tenant
 * without its name, so that the rest has its shape. An entry that others refer to leaves its name behind.
 *
 * `faults` are all the faults of the value: one that is left out would leave its entry in.
 */
export function findReadablePart(value: unknown, faults: readonly ShapeFault[]): ReadablePart {
  const faulty = new Set(faults.flatMap(({ path }) => path.map((_, index) => path.slice(0, index + 1).join(' '))));
  const unsure = new Set<string>();
  const tenants: Fields[] = [];
  const origins: { index: number; lists: Map<string, number[]> }[] = [];
  readList(isFields(value) ? value.tenants : []).forEach((tenant, index) => {
    if (!isFields(tenant) || faulty.has(`tenants ${index} slug`)) return;
    const lists = new Map<string, number[]>();
    const read = (field: string, content: unknown): unknown =>
      readField({ field, content, place: `tenants ${index} ${field}` }, { faulty, unsure, lists });
    const fields = Object.entries(tenant).map(([field, content]) => [field, read(field, content)] as const);
    tenants.push(Object.fromEntries(fields.filter(([, content]) => content !== undefined)));
    origins.push({ index, lists });
  });
  return {
    configuration: { tenants } as unknown as ConfigurationFile,
    placeInFile: ([top, tenant, field, entry, ...rest]) => {
      const origin = typeof tenant === 'number' ? origins[tenant] : undefined;
      if (top === undefined || tenant === undefined || origin === undefined) return top === undefined ? [] : [top];
      const at = typeof entry === 'number' ? (origin.lists.get(String(field))?.[entry] ?? entry) : entry;
      return [top, origin.index, field, at, ...rest].filter((part) => part !== undefined);
    },
    isCertain: (path) => {
      const origin = typeof path[1] === 'number' ? origins[path[1]] : undefined;
      return !unsure.has(`tenants ${origin?.index} ${path.at(-1)}`);
    },
  };
}

/** A tenant's field without what is faulty in it; undefined where nothing of it is left. */
function readField(
  { field, content, place }: { field: string; content: unknown; place: string },
  notes: { faulty: ReadonlySet<string>; unsure: Set<string>; lists: Map<string, number[]> },
): unknown {
  if (!notes.faulty.has(place)) return content;
  const tenant = place.split(' ').slice(0, 2).join(' ');
  const lose = () => {
    for (const by of referred[field]?.by ?? []) notes.unsure.add(`${tenant} ${by}`);
  };
  if (!Array.isArray(content)) return lose();
  const kept: number[] = [];
  const entries = content.flatMap((entry: unknown, index) => {
    const isFaulty = notes.faulty.has(`${place} ${index}`);
    const shown = isFaulty && isFields(entry) ? (referred[field]?.standIn(entry) ?? null) : isFaulty ? null : entry;
    if (shown === null) return lose() ?? [];
    kept.push(index);
    return [shown];
  });
  notes.lists.set(field, kept);
  return entries;
}

function readList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isFields(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isText(value: unknown): value is string {
  return typeof value === 'string';
}
