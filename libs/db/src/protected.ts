import pg from 'pg'

/** One table that breaks the rule of families, and how. */
export interface UnprotectedTable {
  /** schema.table */
  table: string
  problem: string
}

/**
 * Lists every table that has a `family_id` without forced row-level security and the family policy, and every table that a service's
 * role owns. An empty list is what a test asks for.
 * @param url any role that can see the catalogue
 */
export async function unprotectedTables(url: string): Promise<UnprotectedTable[]> {
  const client = new pg.Client({ connectionString: url })
  client.on('error', () => undefined) // reported by the query that it breaks
  await client.connect()
  try {
    const result = await client.query<UnprotectedTable>(`
      with tables as (
        select c.oid, n.nspname || '.' || c.relname as name, c.relrowsecurity, c.relforcerowsecurity,
               r.rolname as owner, r.rolsuper or r.rolbypassrls as above_rules
        from pg_class c
        join pg_namespace n on n.oid = c.relnamespace
        join pg_roles r on r.oid = c.relowner
        where c.relkind in ('r', 'p') and n.nspname not in ('pg_catalog', 'information_schema') and n.nspname not like 'pg_toast%'
      )
      select name as table, problem from tables t
      cross join lateral (
        select 'has a family_id without forced row-level security; add select db.protect_family(''' || name || ''')' as problem
        where exists (select 1 from pg_attribute a where a.attrelid = t.oid and a.attname = 'family_id' and not a.attisdropped)
          and not (relrowsecurity and relforcerowsecurity
            and exists (select 1 from pg_policies p where p.schemaname || '.' || p.tablename = name
                        and p.qual like '%current_family%' and p.with_check like '%current_family%'))
        union all
        select 'is owned by ' || owner || ', who stands above row-level security' where above_rules
        union all
        select 'is owned by a service’s role ' || owner where owner like 'keepsake\\_%' and owner <> 'keepsake_owner'
      ) p
      order by 1, 2`)
    return result.rows
  } finally {
    await client.end()
  }
}
