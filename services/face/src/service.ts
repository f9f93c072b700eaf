import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb } from '@keepsake/db'
import { eventConsumer, openEventLog } from '@keepsake/events'
import {
  batchesToWarm,
  MODELS,
  openInferenceOn,
  verifyModels,
  warmUp,
  type Inference,
  type ModelName,
  type Provider,
} from '@keepsake/inference'
import { openMedia, openObjectStore, storeReached } from '@keepsake/media'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { runService, ServiceIdentity, workedOnce, type RunningService } from '@keepsake/rpc'
import { faceConfig } from './config.js'
import { GROUP } from './detect-item.js'
import { FaceModule } from './face.module.js'
import { RemotePeers } from './peers.js'
import { facesResync } from './resync.js'
import { CropSweeper } from './sweeper.js'

/** Starts the face service: what a picture shows. Fails with MODEL_CORRUPT, MODEL_MISSING or PROVIDER_UNUSABLE before anything else starts. */
export async function startFace(env: Env): Promise<RunningService> {
  const config = loadConfig(faceConfig, env)
  await verifyModels(config.KEEPSAKE_MODELS_DIR)
  const idleMs = config.KEEPSAKE_FACE_IDLE_MS
  const provider = config.KEEPSAKE_INFERENCE_PROVIDER
  const models = await openInferenceOn(provider, config.KEEPSAKE_MODELS_DIR, {
    ...(config.KEEPSAKE_FACE_WORKERS > 0 ? { workers: config.KEEPSAKE_FACE_WORKERS } : {}),
    idleReleaseMs: idleMs,
    env,
  })
  const identity = ServiceIdentity.fromEnv('face', env)
  const db = openDb(env, { name: 'face' })
  const store = openObjectStore(env)
  const media = openMedia({ idleMs, imageNiceness: 10 })
  const peers = new RemotePeers(
    { family: config.KEEPSAKE_FAMILY_ADDRESS, ingest: config.KEEPSAKE_INGEST_ADDRESS },
    identity,
  )
  const sweeper = new CropSweeper(db, store)
  const close = async () => {
    await sweeper.close()
    peers.close()
    await Promise.all([media.close(), models.close()])
    await db.close()
  }
  try {
    const service = await runService({
      name: 'face',
      env,
      identity,
      module: FaceModule.with({ db, store, media, models, peers, sweep: () => sweeper.kick() }),
      rpc: [FaceServiceService],
      strategies: [eventConsumer({ group: GROUP, log: openEventLog(env, db), db, resync: [facesResync] })],
      readiness: {
        ...databaseReadiness(db, 'face', new URL('../migrations/', import.meta.url)),
        objects: storeReached(store),
        models: modelsReady(models, provider),
      },
      onClose: close,
    })
    sweeper.start()
    return service
  } catch (error) {
    await close()
    throw error
  }
}

/** Each model has run once, in every size of batch that it will have, and no worker crashes again and again. */
function modelsReady(models: Inference<ModelName>, provider: Provider): () => Promise<void> {
  const warm = workedOnce(() => warmUp(models, MODELS, batchesToWarm(provider)))
  return async () => {
    await warm()
    const problem = models.problem()
    if (problem !== undefined) throw new Error(problem)
  }
}
