import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb, sql } from '@keepsake/db'
import { eventConsumer, openEventLog, PeopleChanged, publish, type Resync } from '@keepsake/events'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { createClient, runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { ClusterModule } from './cluster.module.js'
import { clusterConfig } from './config.js'
import { Decider } from './decider.js'
import { ExpirySweeper } from './expiry.js'
import { GROUP } from './intake.js'
import { Peers } from './peers.js'
import { Runner } from './runner.js'

const resync: Resync = {
  topic: PeopleChanged,
  families: async tx =>
    (await tx.many<{ familyId: string }>(sql`select family_id from cluster.families`)).map(row => row.familyId),
  publish: async tx => {
    const family = await tx.maybe<{ version: number }>(sql`select version from cluster.families`)
    if (family) await publish(tx, PeopleChanged, { version: family.version, mediaIds: [], all: true })
  },
}

/** Starts the cluster service: people, the ledger of corrections, questions and proposals of children. */
export async function startCluster(env: Env): Promise<RunningService> {
  const config = loadConfig(clusterConfig, env)
  const identity = ServiceIdentity.fromEnv('cluster', env)
  const db = openDb(env, { name: 'cluster' })
  const peers = new Peers(
    createClient(FaceServiceService, config.KEEPSAKE_FACE_ADDRESS, identity),
    createClient(AlbumServiceService, config.KEEPSAKE_ALBUM_ADDRESS, identity),
    createClient(FamilyServiceService, config.KEEPSAKE_FAMILY_ADDRESS, identity),
  )
  const decider = new Decider(config.KEEPSAKE_CLUSTER_MEANS)
  const runner = new Runner(db, decider, peers.family, {
    quiet: config.KEEPSAKE_CLUSTER_QUIET_MS,
    longest: config.KEEPSAKE_CLUSTER_LONGEST_WAIT_MS,
  })
  const expiry = new ExpirySweeper(db, (familyId, signal) => peers.unknownFacesDays(familyId, signal))
  const service = await runService({
    name: 'cluster',
    env,
    identity,
    module: ClusterModule.with(db, peers, runner),
    rpc: [ClusterServiceService],
    strategies: [eventConsumer({ group: GROUP, log: openEventLog(env, db), db, resync: [resync] })],
    readiness: { ...databaseReadiness(db, 'cluster', new URL('../migrations/', import.meta.url)) },
    onClose: async () => {
      await expiry.close()
      await runner.close()
      await decider.close()
      peers.close()
      await db.close()
    },
  })
  runner.start()
  expiry.start()
  return service
}
