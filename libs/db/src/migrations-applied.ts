import { fileURLToPath } from 'node:url'
import { KeepsakeError } from '@keepsake/rpc'
import type { Db } from './db.js'
import { readMigrations } from './migrate.js'
import { sqlState } from './errors.js'
import { sql } from './sql.js'

/**
 * A check that every migration of this build is in the database as this build has it. One that the build does not know is none of its business: while a newer
 * version is rolled out, the older one goes on. What was found once is not asked again, since migrations only go forward. Rejects with the schema and the file that is missing.
 * @param dir the folder of `NNNN_name.sql`
 */
export function migrationsApplied(db: Db, schema: string, dir: URL): () => Promise<void> {
  let known = false
  return async () => {
    if (known) return
    const files = await readMigrations(fileURLToPath(dir))
    const rows = await db
      .unscoped(undefined, tx =>
        tx.many<{ name: string; checksum: string }>(
          sql`select name, checksum from db.migrations where schema = ${schema}`,
        ),
      )
      .catch((error: unknown) => {
        // No such table, or not for us yet: the migrations that make it so have not run.
        if (['42P01', '42501'].includes(sqlState(KeepsakeError.is(error) ? error.cause : error) ?? '')) return []
        throw error
      })
    const applied = new Map(rows.map(row => [row.name, row.checksum]))
    for (const { name, checksum } of files) {
      if (!applied.has(name)) throw new Error(`${schema} lacks ${name}: run the migrations of this version`)
      if (applied.get(name) !== checksum) throw new Error(`${schema}: ${name} was applied in another form`)
    }
    known = true
  }
}

/**
 * What every service needs of its database: that it answers, and that the service's schema and the base are as this build expects. For `runService.readiness`.
 * @param dir the service's folder of migrations
 */
export function databaseReadiness(db: Db, schema: string, dir: URL): Readonly<Record<string, () => Promise<void>>> {
  const base = migrationsApplied(db, 'db', baseMigrations)
  const own = migrationsApplied(db, schema, dir)
  return {
    database: () => db.ping(),
    migrations: async () => {
      await base()
      await own()
    },
  }
}

/** The folder of migrations of the schema `db`, which every other stands on. */
export const baseMigrations = new URL('../migrations/', import.meta.url)
