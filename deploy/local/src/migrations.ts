import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { migrate, migrateBase, provision, type Provisioned } from '@keepsake/db'
import { eventMigrations } from '@keepsake/events'
import { schemaNames, serviceFolder } from './services.js'

/** Numbered files that were applied now, by schema; a schema without new ones is left out. */
export type Applied = Readonly<Record<string, readonly string[]>>

/** Whose database: a role that may make roles and databases, and what is made by it. */
export interface DatabasePlan {
  adminUrl: string
  /** Default: the one that `adminUrl` names. */
  database?: string
  /** By service, and `owner`. */
  passwords: Readonly<Record<string, string>>
}

/**
 * Every schema's new migrations and the grants of its role, as the owner. Roles and schemas must be there. Safe to run again, and by several at once: one works, the
 * others wait and find nothing left to do.
 * @throws MigrationError where files and history do not belong together, or another process migrates for more than two minutes
 */
export async function migrateSchemas(ownerUrl: string): Promise<Applied> {
  const applied: Record<string, readonly string[]> = {}
  const note = (schema: string, result: { applied: string[] }) => {
    if (result.applied.length > 0) applied[schema] = result.applied
  }
  note('db', await migrateBase(ownerUrl))
  note('events', await migrate({ url: ownerUrl, dir: fileURLToPath(eventMigrations), schema: 'events' }))
  for (const name of schemaNames) {
    const dir = path.join(serviceFolder(name), 'migrations')
    note(name, await migrate({ url: ownerUrl, dir, schema: name, role: `keepsake_${name}` }))
  }
  return applied
}

/** Makes the roles, the database and the schemas that are missing, then `migrateSchemas`. Roles that are there are told their password again. */
export async function migrateAll(plan: DatabasePlan): Promise<Provisioned & { applied: Applied }> {
  const provisioned = await provision({ ...plan, services: schemaNames })
  return { ...provisioned, applied: await migrateSchemas(provisioned.ownerUrl) }
}
