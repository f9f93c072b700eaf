import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { encodeSegment, joinSegments } from '@keepsake/render/av'
import { compose } from '@keepsake/render/compose'
import { Compositor } from '@keepsake/render/compositor'
import { makeFilm } from '@keepsake/render/film'
import { planMovie, type PlanItem } from '@keepsake/render/plan'
import { SIZES, durationS, type Picture, type Storyboard } from '@keepsake/render/storyboard'
import { synthesise } from '@keepsake/render/synth'
import { testClip, testItem, testPicture } from '@keepsake/render/testing/material'
import { median } from './figures.js'

/** What this bench is called on the command line. */
export const name = 'render'

const rounds = 3
const photos = 20
const clips = 5
/** CPU time of a whole film over that of x264 and AAC alone on the same finished frames (design: 720p at most 1.5). */
const mostOfLimit = 1.5
const mostRssMiB = 600

/**
 * A film of 20 photos and 5 clips at 720p, made as the service makes it, against the limit: the same frames, composed before the clock starts, through the
 * same encoder. Both take turns; medians of CPU seconds are compared. The limit runs here, the film in its child, so both count their own process.
 */
export async function run(): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'keepsake-bench-'))
  const before = process.cwd()
  process.chdir(folder)
  try {
    const items = await material(folder)
    const board = planned(items)
    const source = (picture: Picture) => `${picture.mediaId}.${picture.rendition}`
    const raw = await finishedFrames(board, source)
    const sound = synthesise(compose(board.mood, durationS(board), board.seed))
    const film: number[] = []
    const limit: number[] = []
    let rss = 0
    for (let round = 0; round < rounds; round++) {
      limit.push(await cpuSeconds(() => encodeOnly(board, raw, sound)))
      const made = await makeFilm({
        board,
        source: p => join(folder, source(p)),
        segments: new Map(),
        take: () => Promise.resolve(),
      })
      film.push(made.cpuS)
      rss = Math.max(rss, made.peakRssMiB)
    }
    const ratio = median(film) / median(limit)
    const seconds = durationS(board)
    console.log(
      `   ${seconds.toFixed(0)} s of film, ${board.slots.length} slots, 1280 x 720: ${median(film).toFixed(1)} CPU s; x264 and AAC alone ${median(limit).toFixed(1)} CPU s`,
    )
    console.log(
      `   CPU over the limit ${ratio.toFixed(2)} (at most ${mostOfLimit}); peak memory of the child ${rss.toFixed(0)} MiB (at most ${mostRssMiB})`,
    )
    return ratio <= mostOfLimit && rss <= mostRssMiB
  } finally {
    process.chdir(before)
    await rm(folder, { recursive: true, force: true })
  }
}

async function material(folder: string): Promise<PlanItem[]> {
  const items: PlanItem[] = []
  for (let n = 0; n < photos + clips; n++) {
    const video = n % 5 === 2
    const item = video
      ? testItem(n, {
          kind: 'video',
          width: 1280,
          height: 720,
          video: { durationS: 3, faces: [], loudness: [], motion: [] },
        })
      : testItem(n, { width: 2048, height: 1536 })
    items.push(item)
    await writeFile(join(folder, `${item.mediaId}.preview`), await testPicture(2048, 1536, n))
    if (video)
      await testClip(join(folder, `${item.mediaId}.playback`), {
        width: 1280,
        height: 720,
        seconds: 3,
        seed: n,
        tone: 440,
      })
  }
  return items
}

function planned(items: readonly PlanItem[]): Storyboard {
  const plan = planMovie({
    items,
    from: '2026-08-01',
    to: '2026-08-31',
    locale: 'en',
    mood: 'uplifting',
    film: SIZES['16:9'],
    music: true,
    seed: 1,
  })
  if (plan.status !== 'planned') throw new Error(plan.message)
  return plan.storyboard
}

/** Every frame as the compositor draws it, slot by slot. */
async function finishedFrames(board: Storyboard, source: (picture: Picture) => string): Promise<Uint8Array[][]> {
  const compositor = new Compositor(board, source)
  const frames: Uint8Array[][] = []
  for (const i of board.slots.keys()) {
    const slot: Uint8Array[] = []
    for await (const planes of compositor.slot(i)) slot.push(planes.slice())
    frames.push(slot)
  }
  await compositor.close()
  return frames
}

/** The same segments, sound and file, without decoding and composing. */
async function encodeOnly(
  board: Storyboard,
  raw: readonly Uint8Array[][],
  sound: Parameters<typeof joinSegments>[1],
): Promise<void> {
  const segments: { file: string; startFrame: number }[] = []
  for (const [i, frames] of raw.entries()) {
    const file = `limit${i}.mp4`
    await encodeSegment(each(frames), board, file)
    segments.push({ file, startFrame: board.slots[i]?.startFrame ?? 0 })
  }
  await joinSegments(segments, sound, 'limit.mp4', 'limit')
}

async function* each(frames: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  yield* frames
}

async function cpuSeconds(work: () => Promise<void>): Promise<number> {
  const began = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(began)
  return (user + system) / 1e6
}
