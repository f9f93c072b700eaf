import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { DETECTORS, type DetectorName } from '@keepsake/face/detector'
import { intersectionOverUnion, type Box } from '@keepsake/face/geometry'
import { Picture } from '@keepsake/face/picture'
import { openInference, prepareModels } from '@keepsake/inference'
import { writePyramidWays, type PyramidWays } from '@keepsake/inference/testing/pyramid-graphs'
import type { ProbeAnswer, ProbeRequest } from '@keepsake/inference/testing/pyramid-probe'
import { openMedia } from '@keepsake/media'
import { sharedData } from '@keepsake/testing'
import { median } from './figures.js'
import { numberOf } from './options.js'

/** What this bench is called on the command line. */
export const name = 'pyramid'

/** Long sides of pictures, px. */
const sizes = [320, 512, 768, 1024, 1536, 2048]
/** The joint graph's peak over that of its largest scale alone, and over that of five sessions kept; its time over theirs. */
const mostOfLargest = 1.1
const mostOfFive = 0.75
const mostOfTime = 1.05
/** Glibc's settings of `npm start`, so that memory is what the service would hold. */
const malloc = { MALLOC_ARENA_MAX: '2', MALLOC_MMAP_THRESHOLD_: '32768', MALLOC_TRIM_THRESHOLD_: '131072' }

/**
 * The pyramid's joint graph at every size of picture: peak memory above an idle process (median of fresh processes; `--processes=N`, 5) and processor time (median of
 * rounds in turns) against its largest scale alone, five sessions kept, and one session run five times. Then what the detectors find on the shared photographs.
 */
export async function run(words: readonly string[] = []): Promise<boolean> {
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
  try {
    let holds = true
    console.log(
      '   size | peak MiB: joint, largest, five, one again | joint of largest, of five | ms: joint, five, one again | joint of five',
    )
    for (const size of sizes) holds = (await costsLittle(dir, size, numberOf(words, 'processes', 5))) && holds
    await compareDetectors()
    return holds
  } finally {
    await rm(dir, { recursive: true })
  }
}

async function costsLittle(dir: string, size: number, processes: number): Promise<boolean> {
  const ways = await writePyramidWays(dir, size)
  const peakOf = async (way: keyof PyramidWays) => {
    const peaks: number[] = []
    // Two rounds: the second may lay memory out anew.
    for (let i = 0; i < processes; i++)
      peaks.push((await probe({ ways: { [way]: ways[way] }, rounds: 2, memoryPattern: false })).peakMiB)
    return median(peaks)
  }
  const [joint, largest, five, again] = [
    await peakOf('joint'),
    await peakOf('largest'),
    await peakOf('five'),
    await peakOf('again'),
  ]
  const { cpuMs } = await probe({
    ways: { joint: ways.joint, five: ways.five, again: ways.again },
    rounds: size > 1024 ? 7 : 15,
    memoryPattern: false,
  })
  const ms = (way: string) => median(cpuMs[way] ?? [])
  const ratios = { largest: joint / largest, five: joint / five, time: ms('joint') / ms('five') }
  const whole = (...values: number[]) => values.map(value => value.toFixed(0)).join(', ')
  console.log(
    `   ${size} | ${whole(joint, largest, five, again)} | ${ratios.largest.toFixed(2)} (at most ${mostOfLargest}), ${ratios.five.toFixed(2)} (at most ${mostOfFive}) | ${whole(ms('joint'), ms('five'), ms('again'))} | ${ratios.time.toFixed(2)} (at most ${mostOfTime})`,
  )
  return ratios.largest <= mostOfLargest && ratios.five <= mostOfFive && ratios.time <= mostOfTime
}

async function probe(request: ProbeRequest): Promise<ProbeAnswer> {
  const program = createRequire(import.meta.url).resolve('@keepsake/inference/testing/pyramid-probe')
  const { stdout } = await promisify(execFile)(process.execPath, [program, JSON.stringify(request)], {
    env: { ...process.env, ...malloc, ORT_DISABLE_TELEMETRY: '1' },
  })
  return JSON.parse(stdout) as ProbeAnswer
}

/** A photograph and the faces that are known to be in it: boxes, or points that lie in them. */
interface Labelled {
  file: string
  faces: Box[]
}

/** What each detector finds: of faces with a known place, of close-ups that fill the frame, and where nobody is. */
async function compareDetectors(): Promise<void> {
  const folder = sharedData()
  if (folder === undefined) return console.log('   what they find is left out: ../shared/data is missing')
  const dir = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
  await prepareModels(dir)
  const inference = openInference(dir, { workers: 1, idleReleaseMs: 600_000 })
  const media = openMedia({ imageChildren: 1 })
  try {
    const load = async (file: string) => new Picture(await media.decodeRgb(join(folder, file), { maxSide: 1600 }))
    const look = async (picture: Picture, detector: DetectorName) =>
      (await DETECTORS[detector].detect(picture, inference, { deadline: Date.now() + 600_000 })).map(({ box }) => box)
    const labelled = await boxesOf(folder)
    for (const detector of Object.keys(DETECTORS) as DetectorName[]) {
      let [found, faces, others, empty, closeUps, closeUpsSeen] = [0, 0, 0, 0, 0, 0]
      for (const { file, faces: known } of labelled) {
        const picture = await load(file)
        const left = await look(picture, detector)
        for (const face of known) {
          const at = left.findIndex(box => intersectionOverUnion(box, face) > 0.3)
          if (at >= 0) left.splice(at, 1)
          found += at >= 0 ? 1 : 0
          faces++
          // The face alone, as a phone's close-up shows it: enlarged, nothing around it.
          const closeUp = cut(picture, face)
          closeUps++
          closeUpsSeen += (await look(closeUp, detector)).some(
            box => intersectionOverUnion(box, wholeOf(closeUp)) > 0.3,
          )
            ? 1
            : 0
        }
        others += left.length
      }
      for (const file of scenery) empty += (await look(await load(file), detector)).length
      const solvay = (await look(await load('human_samples/solvay1927.jpg'), detector)).length
      console.log(
        `   ${detector}: ${found} of ${faces} faces with a known box, ${others} other boxes there; close-ups of them ${closeUpsSeen} of ${closeUps}; ${solvay} boxes where 29 people sit; ${empty} on ${scenery.length} pictures without people`,
      )
    }
  } finally {
    await inference.close()
    await media.close()
    await rm(dir, { recursive: true })
  }
}

const scenery = [
  ...['notocactus_minimus', 'orychophragmus_violaceus', 'prairie_falcon', 'silver_fir', 'tanners_ridge'].map(
    plant => `immich_assets/albums/nature/${plant}.jpg`,
  ),
  'dlib_faces/dogs.jpg',
]

async function boxesOf(folder: string): Promise<Labelled[]> {
  const [, ...lines] = (await readFile(join(folder, 'dlib_faces/boxes.csv'), 'utf8')).trim().split(/\r?\n/)
  const byFile = new Map<string, Box[]>()
  for (const line of lines) {
    const [file = '', ...numbers] = line.split(',')
    const [left = 0, top = 0, width = 0, height = 0] = numbers.map(Number)
    byFile.set(file, [...(byFile.get(file) ?? []), { x0: left, y0: top, x1: left + width, y1: top + height }])
  }
  return [...byFile].map(([file, faces]) => ({ file: `dlib_faces/${file}`, faces }))
}

/** What lies in a box and a tenth of it around, at 320 px. */
function cut(picture: Picture, { x0, y0, x1, y1 }: Box): Picture {
  const size = 320
  const scale = ((x1 - x0) * 1.2) / size
  const [left, top] = [x0 - (x1 - x0) * 0.1, y0 - (y1 - y0) * 0.1]
  const data = picture.crop({ a: scale, b: 0, c: left, d: 0, e: scale, f: top }, size)
  return new Picture({ data, width: size, height: size })
}

const wholeOf = ({ width, height }: Picture): Box => ({ x0: 0, y0: 0, x1: width, y1: height })
