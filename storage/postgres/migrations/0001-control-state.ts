/** The first schema of control's database. Row shapes: storage/schema/control.ts. */
export const controlState: readonly string[] = [
  `create table tenants (
    slug text primary key,
    owner text not null,
    state text not null check (state in ('active', 'suspended', 'terminated')),
    capture text not null check (capture in ('full', 'redacted', 'metadata')),
    approvals text not null check (approvals in ('single', 'two-person')),
    limit_defaults text not null,
    counter_epoch text not null,
    counters_written boolean not null,
    policy_sha256 text,
    keys_sha256 text,
    created_at_ms bigint not null
  )`,
  `create table sub_tenants (
    tenant text not null references tenants,
    slug text not null,
    parent text,
    owner text not null,
    primary key (tenant, slug)
  )`,
  `create table providers (
    tenant text not null references tenants,
    slug text not null,
    owner text not null,
    definition text not null,
    primary key (tenant, slug)
  )`,
  `create table credentials (
    id text not null,
    version integer not null check (version > 0),
    tenant text not null references tenants,
    provider text not null,
    envelope text,
    created_at_ms bigint not null,
    primary key (id, version)
  )`,
  `create index credentials_of_provider on credentials (tenant, provider)`,
  `create table api_keys (
    id text primary key,
    tenant text not null references tenants,
    name text not null,
    hash text not null,
    state text not null check (state in ('active', 'frozen', 'revoked')),
    listed boolean not null,
    sub_tenant text,
    provider text,
    actor text,
    expires_at_ms bigint,
    owner text not null,
    created_at_ms bigint not null,
    revoked_at_ms bigint,
    revoked_by text
  )`,
  `create unique index api_keys_live_name on api_keys (tenant, name) where state <> 'revoked'`,
  `create unique index api_keys_live_hash on api_keys (hash) where state <> 'revoked'`,
  `create index api_keys_hash on api_keys (hash)`,
  `create index api_keys_listed on api_keys (tenant) where listed`,
  `create table policies (
    tenant text not null references tenants,
    id text not null,
    version integer not null check (version > 0),
    state text not null check (state in ('draft', 'pending_approval', 'active', 'suspended', 'retired')),
    owner text not null,
    definition text not null,
    created_at_ms bigint not null,
    primary key (tenant, id, version)
  )`,
  `create unique index policies_one_active on policies (tenant, id) where state = 'active'`,
  `create table limits (
    tenant text not null references tenants,
    id text not null,
    version integer not null check (version > 0),
    state text not null check (state in ('active', 'retired')),
    owner text not null,
    definition text not null,
    created_at_ms bigint not null,
    primary key (tenant, id, version)
  )`,
  `create unique index limits_one_active on limits (tenant, id) where state = 'active'`,
  // A version is a fact: its definition stands for ever, and no version is ever deleted.
  `create function hoc_version_stands() returns trigger language plpgsql as $$
    begin
      if tg_op = 'DELETE' then raise exception 'a version is never deleted'; end if;
      if new.definition is distinct from old.definition or new.version <> old.version or new.id <> old.id
        or new.tenant <> old.tenant or new.created_at_ms <> old.created_at_ms then
        raise exception 'a version is never edited';
      end if;
      return new;
    end $$`,
  `create trigger policies_stand before update or delete on policies for each row execute function hoc_version_stands()`,
  `create trigger limits_stand before update or delete on limits for each row execute function hoc_version_stands()`,
  `create table documents (
    sha256 text primary key,
    kind text not null check (kind in ('policy', 'keys', 'prices')),
    tenant text,
    bytes bytea not null,
    created_at_ms bigint not null
  )`,
  `create table manifests (
    sequence bigint primary key check (sequence > 0),
    id text not null unique,
    bytes bytea not null,
    signature text not null,
    issued_at_ms bigint not null
  )`,
  `create table nodes (
    id text primary key,
    name text not null unique,
    public_key text not null,
    token_hash text not null unique,
    enrolled_at_ms bigint not null,
    revoked_at_ms bigint
  )`,
  `create table service_tokens (
    id text primary key,
    name text not null,
    token_hash text not null unique,
    scopes text not null,
    loopback_only boolean not null,
    created_at_ms bigint not null,
    expires_at_ms bigint,
    revoked_at_ms bigint
  )`,
  `create table audit_heads (tenant text primary key, sequence bigint not null check (sequence > 0))`,
  `create table audit_entries (
    tenant text not null,
    sequence bigint not null check (sequence > 0),
    raw bytea not null,
    leaf_hash text not null,
    at_ms bigint not null,
    primary key (tenant, sequence)
  )`,
  `create function hoc_entry_stands() returns trigger language plpgsql as $$
    begin raise exception 'an audit entry is never edited or deleted'; end $$`,
  `create trigger audit_entries_stand before update or delete or truncate on audit_entries
    for each statement execute function hoc_entry_stands()`,
  `create table audit_open_values (
    tenant text not null,
    sequence bigint not null,
    actor_salt text not null,
    actor_value text not null,
    from_address text,
    before text,
    after text,
    primary key (tenant, sequence),
    foreign key (tenant, sequence) references audit_entries
  )`,
  `create table batch_seals (
    batch_id text not null,
    tenant text not null,
    proxy_id text not null,
    proxy_epoch bigint not null,
    first_seq bigint not null,
    last_seq bigint not null,
    leaves bigint not null,
    root text not null,
    at_ms bigint not null,
    primary key (batch_id, tenant)
  )`,
  `create table settings (name text primary key, value text not null)`,
];
