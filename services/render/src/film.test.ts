import { copyFile, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { until } from '@keepsake/testing'
import sharp from 'sharp'
import { Compositor } from './compositor.js'
import { rectAt } from './framing.js'
import { makeFilm, type FinishedFilm } from './film.js'
import { planMovie, type PlanItem } from './plan.js'
import { FPS, durationS, type FilmSize, type Picture, type Slot, type Storyboard } from './storyboard.js'
import { decodeFilm, type DecodedFilm } from './testing/decode.js'
import { testClip, testItem, testPicture } from './testing/material.js'
import { psnr, ssim } from './testing/ssim.js'

let folder: string
let before: string
let items: PlanItem[]
let board: Storyboard
let film: FinishedFilm
let decoded: DecodedFilm
let segments: Map<string, string>
const progress: number[] = []

const plain = (picture: Picture): string => `${picture.mediaId}.${picture.rendition === 'playback' ? 'mp4' : 'webp'}`
const source = (picture: Picture): string => path.join(folder, plain(picture))

function planned(list: readonly PlanItem[], changes: { film?: FilmSize; music?: boolean } = {}): Storyboard {
  const plan = planMovie({
    items: list,
    from: '2026-08-01',
    to: '2026-08-31',
    locale: 'en',
    mood: 'uplifting',
    film: { width: 640, height: 360 },
    music: true,
    seed: 1,
    ...changes,
  })
  if (plan.status !== 'planned') throw new Error(plan.message)
  return plan.storyboard
}

/** Keeps segments and the film in the test's folder. */
async function make(
  what: Storyboard,
  name: string,
  known: ReadonlyMap<string, string>,
  signal?: AbortSignal,
): Promise<FinishedFilm> {
  return makeFilm({
    board: what,
    source,
    segments: known,
    temporary: path.join(folder, 'jobs'),
    onProgress: share => progress.push(share),
    onSegment: async (hash, file) => {
      const kept = path.join(folder, `segment-${hash}.mp4`)
      await copyFile(file, kept)
      segments.set(hash, kept)
    },
    take: async finished => {
      await copyFile(finished.movie, path.join(folder, `${name}.mp4`))
      await copyFile(finished.poster, path.join(folder, `${name}.jpg`))
    },
    ...(signal ? { signal } : {}),
  })
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), "render test, it's: "))
  const shapes = [
    [1200, 900],
    [900, 1200],
    [1280, 720],
    [800, 800],
  ] as const
  items = Array.from({ length: 14 }, (_, n) => {
    const [width, height] = shapes[n % 4] ?? shapes[0]
    if (n === 4)
      return testItem(n, {
        kind: 'video',
        width: 640,
        height: 360,
        video: { durationS: 4, faces: [{ atS: 2.5, size: 0.3, smile: 0.9, weight: 1 }], loudness: [], motion: [] },
      })
    if (n === 9)
      return testItem(n, {
        kind: 'video',
        width: 360,
        height: 640,
        video: { durationS: 3, faces: [], loudness: [], motion: [] },
      })
    // Live photos: one whose clip has another shape than its still, and one whose clip is not readable.
    if (n === 6 || n === 10)
      return testItem(n, {
        kind: 'live',
        width: 1200,
        height: 900,
        video: { durationS: 3, faces: [], loudness: [], motion: [], momentS: 1.5 },
      })
    return testItem(n, { width, height, faces: n % 3 === 0 ? [{ x: 0.6, y: 0.2, w: 0.15, h: 0.2, weight: 1 }] : [] })
  })
  for (const [n, item] of items.entries()) {
    await writeFile(path.join(folder, `${item.mediaId}.webp`), await testPicture(item.width, item.height, n))
    if (item.kind === 'video') {
      await testClip(path.join(folder, `${item.mediaId}.mp4`), {
        width: item.width,
        height: item.height,
        seconds: item.video?.durationS ?? 3,
        seed: n,
        ...(n === 4 ? { tone: 440 } : {}),
      })
    }
  }
  await testClip(path.join(folder, 'item-006.mp4'), { width: 640, height: 360, seconds: 3, seed: 106, tone: 660 })
  await writeFile(
    path.join(folder, 'item-010.mp4'),
    (await readFile(path.join(folder, 'item-006.mp4'))).subarray(0, 900),
  )
  before = process.cwd()
  // Plain names for the tests that read clips in this process; the film child makes its own links.
  process.chdir(folder)
  board = planned(items)
  segments = new Map()
  film = await make(board, 'film', new Map())
  decoded = await decodeFilm(path.join(folder, 'film.mp4'))
}, 240_000)

afterAll(async () => {
  process.chdir(before)
  await rm(folder, { recursive: true, force: true })
})

/** What the middle frame of a photo slot should show, made by sharp alone. */
async function expectedPicture(slot: Slot): Promise<{ luma: Uint8Array; width: number; height: number }> {
  const k = Math.floor(slot.frames / 2)
  const rect = rectAt(slot.framing, k / Math.max(1, slot.frames + slot.tailFrames - 1))
  const { width: w, height: h } = slot.picture
  const { width, height } = slot.framing.panel
  const left = Math.round(rect.x * w)
  const top = Math.round(rect.y * h)
  const { data } = await sharp(source(slot.picture))
    .extract({
      left,
      top,
      width: Math.min(w - left, Math.round(rect.w * w)),
      height: Math.min(h - top, Math.round(rect.h * h)),
    })
    .resize(width, height, { fit: 'fill' })
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const luma = new Uint8Array(width * height)
  for (let i = 0; i < luma.length; i++)
    luma[i] = 16 + 0.1826 * data[i * 3]! + 0.6142 * data[i * 3 + 1]! + 0.062 * data[i * 3 + 2]!
  return { luma, width, height }
}

describe('a film of ten photos, two videos and two live photos', () => {
  test('lasts as long as its plan, in picture and sound', () => {
    expect(decoded.frames).toBe(board.frames)
    expect(decoded.durationS).toBeCloseTo(durationS(board), 1)
    expect(decoded.sound.left.length / 48_000).toBeGreaterThan(durationS(board) - 0.05)
    expect(decoded.sound.left.length / 48_000).toBeLessThan(durationS(board) + 0.1)
  })

  test('shows in the middle of each photo slot what the storyboard says (SSIM at least 0.8)', async () => {
    const scores: number[] = []
    for (const slot of board.slots.filter(s => s.kind === 'item' && s.picture.rendition === 'preview')) {
      const { luma, width, height } = await expectedPicture(slot)
      const frame = decoded.at(slot.startFrame + Math.floor(slot.frames / 2))
      scores.push(ssim(luma, crop(frame, decoded.width, slot.framing.panel), width, height))
    }
    expect(scores).toHaveLength(10)
    expect(Math.min(...scores)).toBeGreaterThan(0.9)
  })

  test('keeps every frame where it belongs: PSNR of slot after slot against frames made anew', async () => {
    const compositor = new Compositor(board, plain)
    for (const i of [3, 6, 7, 11]) {
      let k = 0
      for await (const planes of compositor.slot(i)) {
        const made = planes.slice(0, board.width * board.height)
        expect(psnr(decoded.at((board.slots[i]?.startFrame ?? 0) + k), made)).toBeGreaterThan(35)
        k++
      }
    }
    await compositor.close()
  }, 240_000)

  test('shows every item, and no two slots look alike', () => {
    const middles = board.slots.filter(s => s.kind === 'item').map(s => decoded.at(s.startFrame + 15))
    for (const [i, a] of middles.entries()) {
      for (const b of middles.slice(i + 1)) expect(psnr(a, b)).toBeLessThan(25)
    }
  })

  test('plays everywhere: H.264 High, yuv420p, BT.709 limited, AAC 48 kHz stereo, index at the front', async () => {
    expect(decoded.stream).toEqual({
      codec: 'h264',
      profile: 100,
      pixels: 'yuv420p',
      range: 'tv',
      space: 'bt709',
      primaries: 'bt709',
      transfer: 'bt709',
      fps: 30,
      width: 640,
      height: 360,
      audioCodec: 'aac',
      sampleRate: 48_000,
      channels: 2,
    })
    const bytes = await readFile(path.join(folder, 'film.mp4'))
    expect(bytes.indexOf('moov')).toBeGreaterThan(0)
    expect(bytes.indexOf('moov')).toBeLessThan(bytes.indexOf('mdat'))
    expect(Math.max(...decoded.keyframeGaps)).toBeLessThanOrEqual(60)
  })

  test('is loud enough and never too loud: -14 LUFS within 0.5, true peak at most -1 dBTP after AAC', () => {
    expect(film.lufs).toBeCloseTo(-14, 0)
    expect(decoded.lufs).toBeGreaterThan(-14.6)
    expect(decoded.lufs).toBeLessThan(-13.4)
    expect(decoded.truePeakDb).toBeLessThanOrEqual(-1)
  })

  test('lets a clip be heard with its own sound while the music steps back', () => {
    const slot = board.slots.find(s => s.mediaId === items[4]?.mediaId)
    const at = ((slot?.startFrame ?? 0) / FPS + 0.3) * 48_000
    expect(goertzel(decoded.sound.left.subarray(at, at + 19_200), 440)).toBeGreaterThan(0.08)
  })

  test('shows the moving part of a live photo with its sound, upright and unstretched', async () => {
    const slot = slotOf(6)
    expect([slot.picture.rendition, slot.inS]).toEqual(['playback', expect.any(Number)])
    const { left, top, width, height } = pixelsOf(slot.framing.start, 480, 360)
    const frames = await clipFrames('item-006.mp4')
    const clip = await sharp(frames[Math.round(((slot.inS ?? 0) + slot.frames / FPS / 2) * 30)], {
      raw: { width: 640, height: 360, channels: 1 },
    })
      .extract({ left: 80 + left, top, width, height })
      .resize(decoded.width, decoded.height, { fit: 'fill' })
      .toColourspace('b-w')
      .raw()
      .toBuffer()
    const shown = decoded.at(slot.startFrame + Math.floor(slot.frames / 2))
    expect(ssim(clip, shown, decoded.width, decoded.height)).toBeGreaterThan(0.8)
    const at = (slot.startFrame / FPS + 0.3) * 48_000
    expect(goertzel(decoded.sound.left.subarray(at, at + 19_200), 660)).toBeGreaterThan(0.08)
  })

  test('shows the still of a live photo whose clip cannot be read', async () => {
    const slot = slotOf(10)
    if (!slot.still) throw new Error('the plan names no still')
    const { luma, width, height } = await expectedPicture({ ...slot, picture: slot.still })
    const frame = decoded.at(slot.startFrame + Math.floor(slot.frames / 2))
    expect(ssim(luma, crop(frame, decoded.width, slot.framing.panel), width, height)).toBeGreaterThan(0.9)
  })

  test('has a poster of its best item and reports progress', async () => {
    const poster = await sharp(path.join(folder, 'film.jpg')).metadata()
    expect([poster.format, poster.width, poster.height]).toEqual(['jpeg', 640, 360])
    expect(progress.length).toBeGreaterThan(5)
    expect([...progress].sort((a, b) => a - b)).toEqual(progress)
    expect(progress.at(-1)).toBe(1)
  })

  test('leaves no temporary file behind', async () => {
    expect(await readdir(path.join(folder, 'jobs'))).toEqual([])
  })
})

test('a changed item costs its own segments only, and the rest of the film stays the same', async () => {
  const changed = planned(items.map((item, n) => (n === 3 ? { ...item, tag: 'rotated' } : item)))
  const again = await make(changed, 'changed', segments)
  // The live photo whose clip is not readable, and the slot that fades from it, are not kept.
  expect(again.rendered).toBe(2 + 2)
  expect(again.reused).toBe(board.slots.length - 4)
  const other = await decodeFilm(path.join(folder, 'changed.mp4'))
  expect(other.frames).toBe(board.frames)
  expect(ssim(other.at(100), decoded.at(100), decoded.width, decoded.height)).toBeGreaterThan(0.999)
}, 240_000)

test('a clip that can be read again is shown again: the still that stood in for it was not kept', async () => {
  const at = board.slots.indexOf(slotOf(10))
  expect(board.slots.flatMap((slot, i) => (segments.has(slot.hash) ? [] : [i]))).toEqual([at, at + 1])
  const unreadable = await readFile(path.join(folder, 'item-010.mp4'))
  await copyFile(path.join(folder, 'item-006.mp4'), path.join(folder, 'item-010.mp4'))
  try {
    expect(await make(board, 'readable', segments)).toMatchObject({ rendered: 2, reused: board.slots.length - 2 })
  } finally {
    await writeFile(path.join(folder, 'item-010.mp4'), unreadable)
  }
  expect(board.slots.every(slot => segments.has(slot.hash))).toBe(true)
  const readable = await decodeFilm(path.join(folder, 'readable.mp4'))
  const middle = slotOf(10).startFrame + Math.floor(slotOf(10).frames / 2)
  expect(psnr(readable.at(middle), decoded.at(middle))).toBeLessThan(25)
}, 240_000)

test('a stopped film ends its process, keeps its finished segments and leaves no file', async () => {
  const before = segments.size
  const controller = new AbortController()
  const upright = planned(items, { film: { width: 360, height: 640 }, music: false })
  const made = make(upright, 'stopped', new Map(), controller.signal)
  made.catch(() => undefined)
  await until(() => segments.size > before, { deadlineMs: 120_000 })
  controller.abort(new Error('stopped by a parent'))
  await expect(made).rejects.toThrow('stopped by a parent')
  expect(await readdir(path.join(folder, 'jobs'))).toEqual([])
  const rest = await make(upright, 'upright', segments)
  expect(rest.reused).toBeGreaterThan(0)
  const up = await decodeFilm(path.join(folder, 'upright.mp4'))
  expect([up.width, up.height, up.frames]).toEqual([360, 640, upright.frames])
}, 240_000)

test('a source that cannot be read fails the film with a reason and leaves no file', async () => {
  const broken = planned(items.map((item, n) => (n === 2 ? { ...item, mediaId: 'missing' } : item)))
  await expect(make(broken, 'broken', new Map())).rejects.toThrow(/source/)
  expect(await readdir(path.join(folder, 'jobs'))).toEqual([])
  await expect(stat(path.join(folder, 'broken.mp4'))).rejects.toThrow()
}, 240_000)

test('without music a film of silent items is silent and still valid', async () => {
  const silent = planned(
    items.filter(i => i.kind === 'photo'),
    { music: false, film: { width: 360, height: 360 } },
  )
  await make(silent, 'silent', new Map())
  const quiet = await decodeFilm(path.join(folder, 'silent.mp4'))
  expect([quiet.width, quiet.height, quiet.frames]).toEqual([360, 360, silent.frames])
  expect(quiet.lufs).toBe(-70)
}, 240_000)

function slotOf(n: number): Slot {
  const slot = board.slots.find(s => s.mediaId === items[n]?.mediaId)
  if (!slot) throw new RangeError(`item ${n} is not in the film`)
  return slot
}

function pixelsOf(rect: { x: number; y: number; w: number; h: number }, width: number, height: number) {
  return {
    left: Math.round(rect.x * width),
    top: Math.round(rect.y * height),
    width: Math.round(rect.w * width),
    height: Math.round(rect.h * height),
  }
}

/** Luma of each frame of a clip. */
async function clipFrames(file: string): Promise<Uint8Array[]> {
  const clip = await decodeFilm(path.join(folder, file))
  return Array.from({ length: clip.frames }, (_, i) => clip.at(i))
}

function crop(
  plane: Uint8Array,
  stride: number,
  panel: { x: number; y: number; width: number; height: number },
): Uint8Array {
  const out = new Uint8Array(panel.width * panel.height)
  for (let y = 0; y < panel.height; y++) {
    const from = (panel.y + y) * stride + panel.x
    out.set(plane.subarray(from, from + panel.width), y * panel.width)
  }
  return out
}

/** Amplitude of one frequency. */
function goertzel(samples: Float32Array, frequency: number): number {
  let re = 0
  let im = 0
  for (const [i, s] of samples.entries()) {
    re += s * Math.cos((2 * Math.PI * frequency * i) / 48_000)
    im += s * Math.sin((2 * Math.PI * frequency * i) / 48_000)
  }
  return (2 * Math.hypot(re, im)) / samples.length
}
