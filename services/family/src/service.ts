import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb } from '@keepsake/db'
import { eventConsumer, openEventLog } from '@keepsake/events'
import { openKeyStore } from '@keepsake/media/key-store'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { AccessTokens } from './access-token.js'
import { familyConfig } from './config.js'
import { startAsking } from './erasure-sweep.js'
import { FamilyModule } from './family.module.js'
import { familyResync } from './families.js'
import { Seal } from './seal.js'
import { Settings } from './settings.js'

/** Starts the family service: accounts, sessions, families, members, children, consent and plan. */
export async function startFamily(env: Env): Promise<RunningService> {
  const config = loadConfig(familyConfig, env)
  const identity = ServiceIdentity.fromEnv('family', env)
  const db = openDb(env, { name: 'family' })
  const access = AccessTokens.fromEnv(env, config.KEEPSAKE_ACCESS_TOKEN_MINUTES)
  const sessions = { access, sessionDays: config.KEEPSAKE_SESSION_DAYS }
  const settings = new Settings(sessions, config.KEEPSAKE_PLAN_SETTABLE, Seal.fromEnv(env))
  const keys = openKeyStore(env)
  let stopAsking = async () => {}
  const service = await runService({
    name: 'family',
    env,
    identity,
    module: FamilyModule.with(db, identity, settings, keys),
    rpc: [FamilyServiceService],
    strategies: [eventConsumer({ group: 'family', log: openEventLog(env, db), db, resync: [familyResync] })],
    readiness: { ...databaseReadiness(db, 'family', new URL('../migrations/', import.meta.url)) },
    onClose: async () => {
      await stopAsking()
      await db.close()
    },
  })
  stopAsking = startAsking(db, {
    everyMs: config.KEEPSAKE_ERASURE_SWEEP_SECONDS * 1000,
    overdueMs: config.KEEPSAKE_ERASURE_OVERDUE_SECONDS * 1000,
  })
  return service
}
