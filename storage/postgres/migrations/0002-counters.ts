/** What control knows of spools, and rebuilds of limit counters. Row shapes: storage/schema/control.ts. */
export const counters: readonly string[] = [
  `create table spools (
    proxy_id text primary key,
    known_at_ms bigint not null,
    report text,
    reported_at_ms bigint,
    live_at_ms bigint,
    live_epoch bigint
  )`,
  `create table counter_rebuilds (
    tenant text primary key references tenants,
    counter_epoch text not null,
    cause text not null,
    state text not null check (state in ('waiting', 'restoring')),
    opened_at_ms bigint not null,
    accepted text not null,
    waiting text not null,
    wait_recorded boolean not null
  )`,
  `create table counter_marks (
    tenant text not null references tenants,
    counter_epoch text not null,
    proxy_id text not null,
    proxy_epoch bigint not null,
    last_seq bigint not null,
    open text not null,
    at_ms bigint not null,
    primary key (tenant, counter_epoch, proxy_id, proxy_epoch)
  )`,
  `create table leases (name text primary key, holder text not null, until_ms bigint not null)`,
];
