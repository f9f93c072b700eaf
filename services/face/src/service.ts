import { availableParallelism } from 'node:os'
import { loadConfig, type Env } from '@keepsake/config'
import { databaseReadiness, openDb } from '@keepsake/db'
import { eventConsumer, openEventLog } from '@keepsake/events'
import { batchesToWarm, MODEL_NAMES, MODELS, openInferenceOn, verifyModels, type ModelName } from '@keepsake/inference'
import { defaultImageChildren, openMedia, openObjectStore, storeReached } from '@keepsake/media'
import { FaceServiceService } from '@keepsake/proto/face/v1'
import { runService, ServiceIdentity, type RunningService } from '@keepsake/rpc'
import { faceConfig } from './config.js'
import { GROUP } from './detect-item.js'
import { DETECTORS, type DetectorName } from './detector.js'
import type { FaceTools } from './events.js'
import { FaceModule } from './face.module.js'
import { modelsReady } from './models-ready.js'
import { RemotePeers } from './peers.js'
import { shippedPipelines } from './pipelines.js'
import { facesResync } from './resync.js'
import { TURNING_MODELS } from './sideways.js'
import { CropSweeper } from './sweeper.js'
import { Upgrader, UploadsUnderWay } from './upgrader.js'

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
  // Models on a CPU take several times as long as decoding for them.
  const decoders = provider === 'cpu' ? Math.min(4, Math.ceil(availableParallelism() / 4)) : defaultImageChildren()
  const imageChildren = config.KEEPSAKE_FACE_IMAGE_CHILDREN || decoders
  const media = openMedia({ idleMs, imageChildren, imageNiceness: 10 })
  const detector = DETECTORS[config.KEEPSAKE_FACE_DETECTOR]
  const peers = new RemotePeers(
    { family: config.KEEPSAKE_FAMILY_ADDRESS, ingest: config.KEEPSAKE_INGEST_ADDRESS },
    identity,
  )
  const sweeper = new CropSweeper(db, store)
  const tools: FaceTools = {
    db,
    store,
    media,
    models,
    detector,
    peers,
    pipelines: shippedPipelines,
    sweep: () => sweeper.kick(),
    uploads: new UploadsUnderWay(),
  }
  const upgrader = new Upgrader(tools)
  const close = async () => {
    await upgrader.close()
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
      module: FaceModule.with(tools),
      rpc: [FaceServiceService],
      strategies: [eventConsumer({ group: GROUP, log: openEventLog(env, db), db, resync: [facesResync] })],
      readiness: {
        ...databaseReadiness(db, 'face', new URL('../migrations/', import.meta.url)),
        objects: storeReached(store),
        models: modelsReady(models, modelsWith(config.KEEPSAKE_FACE_DETECTOR), batchesToWarm(provider)),
      },
      onClose: close,
    })
    sweeper.start()
    upgrader.start()
    return service
  } catch (error) {
    await close()
    throw error
  }
}

/** The models that faces are looked at with when this detector finds them: those of other detectors are left alone, which saves their memory. */
function modelsWith(chosen: DetectorName): Record<string, (typeof MODELS)[ModelName]> {
  const { models } = DETECTORS[chosen]
  const ofOthers = Object.values(DETECTORS).flatMap(detector => detector.models)
  const isNeeded = (name: ModelName) =>
    models.includes(name) || TURNING_MODELS.includes(name) || !ofOthers.includes(name)
  return Object.fromEntries(MODEL_NAMES.filter(isNeeded).map(name => [name, MODELS[name]]))
}
