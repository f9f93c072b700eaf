import { loadConfig, type Env } from '@keepsake/config'
import { Db } from '@keepsake/db'
import { eventConsumer, PostgresLog } from '@keepsake/events'
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
  const db = new Db(config.KEEPSAKE_DATABASE_URL.reveal(), { name: 'album', max: 12 })
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
    strategies: [eventConsumer({ group, log: new PostgresLog(db), db, resync: albumResync })],
    readiness: () => db.ping(),
    onClose: async () => {
      await stopSweep()
      peers.close()
      await db.close()
    },
  })
  stopSweep = startSweep(db, { days: config.KEEPSAKE_TRASH_DAYS, minutes: config.KEEPSAKE_TRASH_SWEEP_MINUTES })
  return service
}
