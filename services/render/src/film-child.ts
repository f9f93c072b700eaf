/** One film in a process of its own: a fault in native code ends this process and nothing else. Started by film.ts. */
import { readFileSync, rmSync } from 'node:fs'
import { link, symlink } from 'node:fs/promises'
import path from 'node:path'
import { beNiceAltogether } from '@keepsake/config/niceness'
import sharp from 'sharp'
import { clipSound, encodeSegment, joinSegments } from './av.js'
import { compose } from './compose.js'
import { Compositor, heardSeconds } from './compositor.js'
import { pictureKey, type ChildMessage, type FilmJob } from './film-job.js'
import { normaliseLoudness } from './loudness.js'
import { mix, type ClipSound } from './mix.js'
import { FPS, durationS, type Picture } from './storyboard.js'
import { synthesise, type Stereo } from './synth.js'

/** Shares of the whole that a parent sees: pictures are nearly all of it. */
const PICTURES_SHARE = 0.92
const POSTER_QUALITY = 85

// Minutes of work: everybody else comes first. The encoder's threads begin later and inherit it.
beNiceAltogether(10)

process.once('message', (job: FilmJob) => {
  // The service is gone, even by kill -9: nobody will take the film or remove its folder.
  process.once('disconnect', () => {
    rmSync(job.folder, { recursive: true, force: true, maxRetries: 3 })
    process.exit(1)
  })
  void makeFilm(job).then(
    done => tell(done).then(() => process.exit(0)),
    (error: unknown) =>
      tell({ type: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) }).then(
        () => process.exit(1),
      ),
  )
})

function tell(message: ChildMessage): Promise<void> {
  return new Promise(resolve => {
    if (!process.send) return resolve()
    process.send(message, undefined, undefined, () => resolve())
  })
}

async function makeFilm(job: FilmJob): Promise<ChildMessage> {
  process.chdir(job.folder)
  sharp.cache(false)
  const { board } = job
  const sourceOf = await linkSources(job)
  const compositor = new Compositor(board, sourceOf)
  const segments: { file: string; startFrame: number }[] = []
  let rendered = 0
  let frames = 0
  try {
    for (const [i, slot] of board.slots.entries()) {
      const cached = job.segments[slot.hash]
      const file = cached ?? `${slot.hash}.mp4`
      if (!cached && !segments.some(s => s.file === file)) {
        const unfinished = `${slot.hash}.part`
        await encodeSegment(
          counted(compositor.slot(i), () => progress(++frames)),
          board,
          unfinished,
        )
        await link(unfinished, file)
        // Kept, a still would be shown for the clip by every film to come, although the fault may pass.
        if (!compositor.fellBack(i)) await tell({ type: 'segment', hash: slot.hash, file: path.resolve(file) })
        rendered++
      } else {
        frames += slot.frames
      }
      segments.push({ file, startFrame: slot.startFrame })
    }
    const best = board.slots.findIndex(
      s => board.posterFrame >= s.startFrame && board.posterFrame < s.startFrame + s.frames,
    )
    const poster = await compositor.still(best, board.posterFrame - (board.slots[best]?.startFrame ?? 0))
    await sharp(poster.rgb, { raw: { width: poster.width, height: poster.height, channels: 3 } })
      .jpeg({ quality: POSTER_QUALITY, mozjpeg: true })
      .toFile('poster.jpg')
  } finally {
    await compositor.close()
  }
  const { sound, measured } = await soundOf(job, sourceOf)
  const joined = await joinSegments(segments, sound, 'movie.mp4', board.title)
  if (joined !== board.frames) throw new Error(`the film holds ${joined} frames instead of ${board.frames}`)
  await tell({ type: 'progress', share: 1 })
  const usage = process.resourceUsage()
  return {
    type: 'done',
    movie: path.resolve('movie.mp4'),
    poster: path.resolve('poster.jpg'),
    rendered,
    reused: board.slots.length - rendered,
    lufs: measured.lufs,
    truePeakDb: measured.truePeakDb,
    cpuS: (usage.userCPUTime + usage.systemCPUTime) / 1e6,
    peakRssMiB: peakRssMiB() ?? usage.maxRSS / 1024,
  }

  function progress(frame: number): void {
    if (frame % FPS === 0) void tell({ type: 'progress', share: (PICTURES_SHARE * frame) / board.frames })
  }
}

/** The most memory that this program held; `maxRSS` would also count the process it was started from, up to its start. Linux only. */
function peakRssMiB(): number | undefined {
  try {
    const kiB = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
    return kiB === undefined ? undefined : Number(kiB) / 1024
  } catch {
    return undefined
  }
}

/** Filter graphs take file names as text: every source gets a plain name in the job's folder. */
async function linkSources(job: FilmJob): Promise<(picture: Picture) => string> {
  const names = new Map<string, string>()
  for (const [key, file] of Object.entries(job.sources)) {
    const name = `source${names.size}`
    await symlink(path.resolve(file), name)
    names.set(key, name)
  }
  return picture => {
    const name = names.get(pictureKey(picture))
    if (!name) throw new Error(`the ${picture.rendition} of ${picture.mediaId} was not given`)
    return name
  }
}

async function* counted(frames: AsyncIterable<Uint8Array>, each: () => void): AsyncGenerator<Uint8Array> {
  for await (const frame of frames) {
    each()
    yield frame
  }
}

async function soundOf(
  job: FilmJob,
  sourceOf: (picture: Picture) => string,
): Promise<{ sound: Stereo; measured: { lufs: number; truePeakDb: number } }> {
  const { board } = job
  const seconds = durationS(board)
  const music = board.music ? synthesise(compose(board.mood, seconds, board.seed)) : undefined
  const clips: ClipSound[] = []
  for (const slot of board.slots) {
    if (slot.kind !== 'item' || slot.inS === undefined) continue
    const lengthS = heardSeconds(slot)
    const heard = clipSound(sourceOf(slot.picture), slot.inS, lengthS)
    const sound = await (slot.still ? heard.catch(() => undefined) : heard)
    if (sound) clips.push({ sound, atS: slot.startFrame / FPS, lengthS })
  }
  const sound = mix(music, clips, seconds)
  return { sound, measured: normaliseLoudness(sound) }
}
