import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Models } from '@keepsake/face/detector'
import { findFaces } from '@keepsake/face/find-faces'
import { Picture } from '@keepsake/face/picture'
import { MODELS, openInference, prepareModels, type ModelName, type PixelRows } from '@keepsake/inference'
import { tfjsReference } from '@keepsake/inference/testing/tfjs-reference'
import { openMedia, type DecodedImage } from '@keepsake/media'
import { sharedData } from '@keepsake/testing'
import { median } from './figures.js'

/** What this bench is called on the command line. */
export const name = 'faces'

const photos = [
  'deepface/img1.jpg',
  'deepface/couple.jpg',
  'deepface/img4.jpg',
  'dlib_faces/2008_001009.jpg',
  'human_samples/group-2.jpg',
  'human_samples/stock-teen-2.jpg',
]
const rounds = 5
const decodedSide = 1600
/** The pipeline's speed over that of its models alone, and over that of the models that face-api has too in TensorFlow.js. */
const leastOfRaw = 0.9
const leastOfTfjs = 4

interface Run {
  model: ModelName
  input: PixelRows
}

/**
 * The face pipeline from decoded pixels on one inference thread, against its own model runs alone and against the original networks in TensorFlow.js
 * (wasm, one thread) on the same crops. The three take turns; medians are compared. Decoding is reported apart.
 */
export async function run(): Promise<boolean> {
  const folder = sharedData()
  if (folder === undefined) {
    console.log('   left out: ../shared/data is missing')
    return true
  }
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
  await prepareModels(dir)
  const inference = openInference(dir, { workers: 1, idleReleaseMs: 600_000, maxQueuedCost: Infinity })
  const media = openMedia({ imageChildren: 1 })
  try {
    const began = performance.now()
    const images: DecodedImage[] = []
    for (const photo of photos) images.push(await media.decodeRgb(join(folder, photo), { maxSide: decodedSide }))
    const decodeMs = (performance.now() - began) / photos.length

    const options = () => ({ deadline: Date.now() + 600_000 })
    const runs: Run[] = []
    const recording: Models = {
      run: (model, input, more) => {
        // A copy: the pipeline gives pixels back as soon as a model has seen them.
        runs.push({ model, input: { rows: input.rows, data: Uint8Array.from(input.data) } })
        return inference.run(model, input, more)
      },
    }
    let faces = 0
    for (const image of images) faces += (await findFaces(new Picture(image), recording, options())).length
    const original = await tfjsReference()
    const inOriginal = rowsOf(runs.filter(({ model }) => model !== 'facemesh_detection_full'))
    for (const { model, pixels } of inOriginal.slice(0, 20)) original[model](pixels)

    const pipeline = () => Promise.all(images.map(image => findFaces(new Picture(image), inference, options())))
    const raw = () => Promise.all(runs.map(({ model, input }) => inference.run(model, input, options())))
    const tfjs = () => Promise.resolve(inOriginal.forEach(({ model, pixels }) => original[model](pixels)))
    const times = { pipeline: [] as Time[], raw: [] as Time[], tfjs: [] as Time[] }
    for (let round = 0; round < rounds; round++) {
      times.pipeline.push(await timed(pipeline))
      times.raw.push(await timed(raw))
      times.tfjs.push(await timed(tfjs))
    }
    const clock = (taken: Time[]) => median(taken.map(time => time.clock))
    const processor = (taken: Time[]) => median(taken.map(time => time.processor))
    const [own, alone, theirs] = [clock(times.pipeline), clock(times.raw), clock(times.tfjs)]
    const per = (ms: number) => `${(ms / photos.length).toFixed(0)} ms`
    console.log(
      `   ${photos.length} photos, ${faces} faces; a photo: decoding ${per(decodeMs * photos.length)}, faces ${per(own)}, models alone ${per(alone)}, TensorFlow.js ${per(theirs)}`,
    )
    console.log(`   speed over the models alone ${(alone / own).toFixed(2)} (at least ${leastOfRaw})`)
    console.log(
      `   speed over TensorFlow.js ${(theirs / own).toFixed(1)} (at least ${leastOfTfjs}); models alone ${(theirs / alone).toFixed(1)}`,
    )
    console.log(
      `   of processor time, which other work on the machine leaves alone: ${(processor(times.raw) / processor(times.pipeline)).toFixed(2)} and ${(processor(times.tfjs) / processor(times.pipeline)).toFixed(1)}`,
    )
    return alone / own >= leastOfRaw && theirs / own >= leastOfTfjs
  } finally {
    await inference.close()
    await media.close()
    await rm(dir, { recursive: true })
  }
}

/** Each crop by itself: TensorFlow.js gets them one at a time, as face-api does. */
function rowsOf(runs: readonly Run[]): { model: ModelName; pixels: Uint8Array }[] {
  return runs.flatMap(({ model, input }) => {
    const bytes = MODELS[model].size ** 2 * 3
    return Array.from({ length: input.rows }, (_, row) => ({
      model,
      pixels: input.data.subarray(row * bytes, (row + 1) * bytes),
    }))
  })
}

/** Milliseconds by the clock, and of all threads together. */
interface Time {
  clock: number
  processor: number
}

async function timed(work: () => Promise<unknown>): Promise<Time> {
  const began = performance.now()
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return { clock: performance.now() - began, processor: (user + system) / 1000 }
}
