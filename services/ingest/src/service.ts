import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb, sql } from '@keepsake/db'
import { eventConsumer, MediaIngested, openEventLog } from '@keepsake/events'
import { defaultImageChildren, openMedia, openObjectStore, storeReached } from '@keepsake/media'
import { AlbumServiceService } from '@keepsake/proto/album/v1'
import { FamilyServiceService } from '@keepsake/proto/family/v1'
import { IngestServiceService } from '@keepsake/proto/ingest/v1'
import { createClient, runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { logger } from '@keepsake/telemetry'
import { publishState } from './catalogue.js'
import { Context } from './context.js'
import { IngestModule } from './ingest.module.js'
import { decidedAtOnce } from './finish.js'
import { ingestOptions } from './options.js'
import { Places } from './places.js'
import { sweep } from './sweep.js'

const DAY_MS = 86_400_000

/** Starts ingest with this environment; everything it opened is closed again with it, or when the start fails. */
export async function startIngest(env: Env): Promise<RunningService> {
  const options = loadConfig(ingestOptions, env)
  const identity = ServiceIdentity.fromEnv('ingest', env)
  const objects = openObjectStore(env)
  const imageChildren = options.KEEPSAKE_INGEST_IMAGE_CHILDREN || defaultImageChildren()
  const videoChildren = options.KEEPSAKE_INGEST_VIDEO_CHILDREN
  const db = openDb(env, { name: 'ingest' })
  const media = openMedia({ imageChildren, videoChildren })
  const places = new Places()
  const family = createClient(FamilyServiceService, options.KEEPSAKE_FAMILY_ADDRESS, identity)
  const album = createClient(AlbumServiceService, options.KEEPSAKE_ALBUM_ADDRESS, identity)
  const context = new Context({
    db,
    objects,
    media,
    places,
    knobs: {
      maxUpload: options.KEEPSAKE_INGEST_MAX_UPLOAD,
      leaseMs: options.KEEPSAKE_INGEST_LEASE_MS,
      uploadMs: options.KEEPSAKE_INGEST_UPLOAD_DAYS * DAY_MS,
    },
    stills: imageChildren,
    videos: videoChildren,
    finishing: decidedAtOnce(),
    family,
    album,
  })
  let sweeping = Promise.resolve()
  const timer = setInterval(() => {
    sweeping = sweeping
      .then(() => sweep(context))
      .then(
        () => undefined,
        (error: unknown) => logger('ingest').warn({ err: error }, 'the sweep waits for its next turn'),
      )
  }, options.KEEPSAKE_INGEST_SWEEP_MS)
  timer.unref()
  return runService({
    name: 'ingest',
    env,
    identity,
    module: IngestModule.with(context),
    rpc: [IngestServiceService],
    strategies: [
      eventConsumer({
        group: 'ingest',
        log: openEventLog(env, db),
        db,
        resync: [
          {
            topic: MediaIngested,
            families: async tx =>
              (await tx.many<{ familyId: string }>(sql`select distinct family_id from ingest.media`)).map(
                r => r.familyId,
              ),
            publish: publishState,
          },
        ],
      }),
    ],
    readiness: {
      ...databaseReadiness(db, 'ingest', new URL('../migrations/', import.meta.url)),
      objects: storeReached(objects),
    },
    onClose: async () => {
      clearInterval(timer)
      await sweeping
      await media.close()
      places.release()
      family.close()
      album.close()
      await db.close()
    },
  })
}
