import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb, sql } from '@keepsake/db'
import { eventConsumer, MediaRated, openEventLog, publish, type Resync } from '@keepsake/events'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { ClusterServiceService } from '@keepsake/proto/cluster/v1'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { RatingServiceService } from '@keepsake/proto/rating/v1'
import { createClient, runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { ratingConfig } from './config.js'
import { GROUP } from './store.js'
import { Peers } from './peers.js'
import { RatingModule } from './rating.module.js'
import { Runner } from './runner.js'

/** Items in one event of a resync. */
const RESYNC_ITEMS = 500

const resync: Resync = {
  topic: MediaRated,
  families: async tx =>
    (await tx.many<{ familyId: string }>(sql`select family_id from rating.families`)).map(row => row.familyId),
  publish: async tx => {
    const family = await tx.maybe<{ version: number }>(sql`select version from rating.families`)
    const rows = await tx.many<{ mediaId: string; value: number }>(
      sql`select media_id, value from rating.items order by media_id`,
    )
    for (let from = 0; from < rows.length; from += RESYNC_ITEMS)
      await publish(tx, MediaRated, { rated: rows.slice(from, from + RESYNC_ITEMS), version: family?.version ?? 0 })
  },
}

/** Starts the rating service: ratings, moments and the choice of items for every product. */
export async function startRating(env: Env): Promise<RunningService> {
  const config = loadConfig(ratingConfig, env)
  const identity = ServiceIdentity.fromEnv('rating', env)
  const db = openDb(env, { name: 'rating' })
  const peers = new Peers(
    createClient(AlbumServiceService, config.KEEPSAKE_ALBUM_ADDRESS, identity),
    createClient(IngestServiceService, config.KEEPSAKE_INGEST_ADDRESS, identity),
    createClient(FaceServiceService, config.KEEPSAKE_FACE_ADDRESS, identity),
    createClient(ClusterServiceService, config.KEEPSAKE_CLUSTER_ADDRESS, identity),
    createClient(FamilyServiceService, config.KEEPSAKE_FAMILY_ADDRESS, identity),
  )
  const runner = new Runner(db, peers, config.KEEPSAKE_RATING_QUIET_MS)
  const service = await runService({
    name: 'rating',
    env,
    identity,
    module: RatingModule.with(db, peers),
    rpc: [RatingServiceService],
    strategies: [eventConsumer({ group: GROUP, log: openEventLog(env, db), db, resync: [resync] })],
    readiness: { ...databaseReadiness(db, 'rating', new URL('../migrations/', import.meta.url)) },
    onClose: async () => {
      await runner.close()
      peers.close()
      await db.close()
    },
  })
  runner.start()
  return service
}
