import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb } from '@keepsake/db'
import { eventConsumer, openEventLog } from '@keepsake/events'
import { openObjectStore, storeReached } from '@keepsake/media'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { RatingServiceService } from '@keepsake/proto/rating/v1'
import { RenderServiceService } from '@keepsake/proto/render/v1'
import { ServiceIdentity, createClient, runService, type RunningService } from '@keepsake/rpc'
import { renderOptions } from './options.js'
import { Peers } from './peers.js'
import { RenderModule } from './render.module.js'
import { GROUP } from './segments.js'
import { MovieWorker } from './worker.js'

/** Starts the render service: movies, their storyboards, soundtracks and films. */
export async function startRender(env: Env): Promise<RunningService> {
  const config = loadConfig(renderOptions, env)
  const identity = ServiceIdentity.fromEnv('render', env)
  const db = openDb(env, { name: 'render' })
  const clients = {
    album: createClient(AlbumServiceService, config.KEEPSAKE_ALBUM_ADDRESS, identity),
    face: createClient(FaceServiceService, config.KEEPSAKE_FACE_ADDRESS, identity),
    family: createClient(FamilyServiceService, config.KEEPSAKE_FAMILY_ADDRESS, identity),
    ingest: createClient(IngestServiceService, config.KEEPSAKE_INGEST_ADDRESS, identity),
    rating: createClient(RatingServiceService, config.KEEPSAKE_RATING_ADDRESS, identity),
  }
  const { album, face, family, ingest, rating } = clients
  const peers = new Peers(album, face, family, ingest, rating)
  const objects = openObjectStore(env)
  const worker = new MovieWorker(
    {
      db,
      peers,
      objects,
      timeoutMs: config.KEEPSAKE_RENDER_TIMEOUT_MS,
      ...(config.KEEPSAKE_RENDER_TEMPORARY ? { temporary: config.KEEPSAKE_RENDER_TEMPORARY } : {}),
    },
    {
      films: config.KEEPSAKE_RENDER_FILMS,
      leaseMs: config.KEEPSAKE_RENDER_LEASE_MS,
      segmentDays: config.KEEPSAKE_RENDER_SEGMENT_DAYS,
    },
  )
  const running = await runService({
    name: 'render',
    env,
    identity,
    module: RenderModule.with(db, peers),
    rpc: [RenderServiceService],
    strategies: [eventConsumer({ group: GROUP, log: openEventLog(env, db), db })],
    readiness: {
      ...databaseReadiness(db, 'render', new URL('../migrations/', import.meta.url)),
      objects: storeReached(objects),
    },
    onClose: async () => {
      await worker.close()
      for (const client of Object.values(clients)) client.close()
      await db.close()
    },
  })
  worker.start()
  return running
}
