export { connection } from './connection.js'
export { Db, type DbCallOptions, type DbOptions, type FamilyTx, type Tx } from './db.js'
export { Loader, Snapshot, type DumpRow, type DumpTable } from './dump.js'
export type { Dedicated } from './dedicated.js'
export { isConnectionLost, isUniqueViolation, sqlState } from './errors.js'
export { isId, uuidv7 } from './id.js'
export { oncePerMember, type RememberedMethod } from './once-per-member.js'
export { migrate, MigrationError, type MigrateOptions } from './migrate.js'
export { databaseReadiness, migrationsApplied } from './migrations-applied.js'
export { databaseConfig, openDb } from './open-db.js'
export { unprotectedTables, type UnprotectedTable } from './protected.js'
export {
  migrateBase,
  provision,
  provisioning,
  type Provisioned,
  type Provisioning,
  type ProvisionOptions,
} from './provision.js'
export { sql, Sql } from './sql.js'
export { Turns, TurnTimeout, type Patience } from './turns.js'
export { familyShare } from './family-share.js'
