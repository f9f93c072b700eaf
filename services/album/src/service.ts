import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb } from '@keepsake/db'
import { eventConsumer, openEventLog } from '@keepsake/events'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { AlbumModule } from './album.module.js'
import { group } from './catalogue.js'
import { albumConfig } from './config.js'
import { albumResync } from './events.js'
import { Peers } from './peers.js'
import { startSweep } from './sweep.js'

/** Starts album: the catalogue, who may see what, and everything people do with their pictures. */
export async function startAlbum(env: Env): Promise<RunningService> {
  const config = loadConfig(albumConfig, env)
  const identity = ServiceIdentity.fromEnv('album', env)
  const db = openDb(env, { name: 'album', max: 8 })
  // Of their own, so that an import, whose events wait for each other in the database, holds up no reader.
  const eventDb = openDb(env, { name: 'album', max: 4 })
  const peers = new Peers(
    {
      family: config.KEEPSAKE_FAMILY_ADDRESS,
      ingest: config.KEEPSAKE_INGEST_ADDRESS,
      cluster: config.KEEPSAKE_CLUSTER_ADDRESS,
    },
    identity,
  )
  let stopSweep = async () => {}
  const service = await runService({
    name: 'album',
    env,
    identity,
    module: AlbumModule.with(db, peers),
    rpc: [AlbumServiceService],
    strategies: [eventConsumer({ group, log: openEventLog(env, eventDb), db: eventDb, resync: albumResync })],
    readiness: { ...databaseReadiness(db, 'album', new URL('../migrations/', import.meta.url)) },
    onClose: async () => {
      await stopSweep()
      peers.close()
      await Promise.all([db.close(), eventDb.close()])
    },
  })
  stopSweep = startSweep(db, { days: config.KEEPSAKE_TRASH_DAYS, minutes: config.KEEPSAKE_TRASH_SWEEP_MINUTES })
  return service
}
