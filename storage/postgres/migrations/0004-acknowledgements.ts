/** Damage that people have seen and dealt with. Row shape: storage/schema/control.ts. */
export const acknowledgements: readonly string[] = [
  `create table acknowledgements (
    finding text primary key,
    found text not null,
    reason text not null,
    actor text not null,
    at_ms bigint not null
  )`,
];
