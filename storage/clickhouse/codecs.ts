import type { RowBinaryWriter } from './row-binary.ts';

/** How one value goes into RowBinary, and comes back from JSON. */
export interface Codec<T> {
  write(writer: RowBinaryWriter, value: T): void;
  read(value: unknown): T;
  /** The SELECT expression of a column, where it is not the column itself. */
  select?(name: string): string;
}

/** String columns; `T` narrows to closed lists, which the writer's types guarantee. */
export function text<T extends string>(): Codec<T> {
  return { write: (writer, value) => writer.text(value), read: (value) => String(value) as T };
}

/** Any codec with a null beside it. */
export function nullable<T>(inner: Codec<T>): Codec<T | null> {
  return {
    write(writer, value) {
      writer.byte(value === null ? 1 : 0);
      if (value !== null) inner.write(writer, value);
    },
    read: (value) => (value === null || value === undefined ? null : inner.read(value)),
    ...(inner.select === undefined ? {} : { select: inner.select }),
  };
}

/** A tenant's slug, where the empty string stands for none. */
export const tenantText: Codec<string | null> = {
  write: (writer, value) => writer.text(value ?? ''),
  read: (value) => (value === '' ? null : String(value)),
};

export const boolean: Codec<boolean> = {
  write: (writer, value) => writer.byte(value ? 1 : 0),
  read: (value) => value === true,
};

export const uint16: Codec<number> = { write: (writer, value) => writer.unsigned(value, 2), read: Number };
export const uint32: Codec<number> = { write: (writer, value) => writer.unsigned(value, 4), read: Number };
export const uint64: Codec<number> = { write: (writer, value) => writer.natural(value), read: Number };
export const int64: Codec<number> = { write: (writer, value) => writer.integer(value), read: Number };
export const float64: Codec<number> = { write: (writer, value) => writer.double(value), read: Number };

/** Nano-USD as a decimal string. */
export const money: Codec<string> = { write: (writer, value) => writer.decimal(value), read: String };

/** Unix milliseconds in a DateTime64(3). */
export const instant: Codec<number> = {
  write: (writer, value) => writer.integer(value),
  read: Number,
  select: (name) => `toUnixTimestamp64Milli(${name})`,
};

/** Array(String). */
export function texts<T extends string>(): Codec<readonly T[]> {
  return {
    write(writer, values) {
      writer.varint(values.length);
      for (const value of values) writer.text(value);
    },
    read: (value) => value as readonly T[],
  };
}

/** Map(String, String). */
export const textMap: Codec<Readonly<Record<string, string>>> = {
  write(writer, values) {
    const entries = Object.entries(values);
    writer.varint(entries.length);
    for (const [key, value] of entries) {
      writer.text(key);
      writer.text(value);
    }
  },
  read: (value) => value as Readonly<Record<string, string>>,
};
