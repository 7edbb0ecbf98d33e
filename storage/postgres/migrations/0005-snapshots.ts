/**
 * Which documents each snapshot id of a run stands for. Those of the manifests so far are worked out as proxies do: SHA-256 of
 * the canonical JSON of the three ids. Row shape: storage/schema/control.ts.
 */
export const snapshots: readonly string[] = [
  `create table snapshots (
    id text primary key,
    tenant text not null,
    policy text not null,
    keys text not null,
    prices text not null,
    issued_at_ms bigint not null
  )`,
  `insert into snapshots (id, tenant, policy, keys, prices, issued_at_ms)
    select encode(sha256(convert_to(
      '{"keys":"' || (entry->>'keys') || '","policy":"' || (entry->>'policy') || '","prices":"' || (manifest->>'prices') || '"}',
      'UTF8')), 'hex'), entry->>'tenant', entry->>'policy', entry->>'keys', manifest->>'prices', issued_at_ms
    from (select convert_from(bytes, 'UTF8')::jsonb as manifest, issued_at_ms, sequence from manifests) as issued,
      jsonb_array_elements(manifest->'tenants') as entry
    order by sequence
    on conflict (id) do nothing`,
];
