import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@keepsake/testing'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openMedia, type Media, type VideoFrame } from './index.js'
import { writeSampleVideo, type SampleVideo } from './testing/sample-media.js'

let folder: string
let media: Media

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepsake-videos-'))
  media = openMedia()
})
afterAll(async () => {
  await media.close()
  await rm(folder, { recursive: true, force: true })
})

async function video(name: string, options: SampleVideo = {}): Promise<string> {
  const path = join(folder, name)
  await writeSampleVideo(path, options)
  return path
}

async function all(frames: AsyncIterable<VideoFrame>): Promise<VideoFrame[]> {
  const found: VideoFrame[] = []
  for await (const frame of frames) found.push(frame)
  return found
}

test.each([
  ['h264.mp4', 'h264', 'mp4', 'h264'],
  ['h264.mov', 'h264', 'mov', 'h264'],
  ['hevc.mp4', 'hevc', 'mp4', 'hevc'],
  ['vp8.webm', 'vp8', 'webm', 'vp8'],
  ['vp9.webm', 'vp9', 'webm', 'vp9'],
  ['av1.mkv', 'av1', 'mkv', 'libdav1d'],
] as const)('%s is probed, shown, sampled and made playable', async (name, codec, container, videoCodec) => {
  const path = await video(name, { codec, frames: 50 })
  const probe = await media.probeVideo(path)
  expect(probe).toMatchObject({ container, videoCodec, width: 320, height: 240, rotation: 0, audio: [], flawed: false })
  expect(probe.durationS).toBeCloseTo(2, 1)
  const poster = await media.posterFrame(path, { maxSide: 160 })
  expect(poster).toMatchObject({ width: 160, height: 120 })
  expect(poster.data.length).toBe(160 * 120 * 3)
  const frames = await all(media.frames(path, { everyS: 0.5 }))
  expect(frames.map(frame => frame.timeS)).toEqual([0, 0.5, 1, 1.5].map(time => expect.closeTo(time, 1) as number))
  const target = join(folder, `${name}.playback.mp4`)
  const result = await media.transcodePlayback(path, target)
  expect(result).toMatchObject({ width: 320, height: 240, flaws: 0, encoded: codec !== 'h264' })
  expect(await media.probeVideo(target)).toMatchObject({ container: 'mp4', videoCodec: 'h264', width: 320 })
})

describe('frames', () => {
  test('come at the times asked for, far jumps included, and carry what is on screen then', async () => {
    const path = await video('long.mp4', { frames: 750, width: 160, height: 120 })
    const times = [0, 0.04, 1, 12.02, 12.5, 29.9]
    const frames = await all(media.frames(path, { timestamps: times }))
    expect(frames.map(frame => frame.timeS)).toEqual(
      [0, 0.04, 1, 12, 12.48, 29.88].map(time => expect.closeTo(time, 2) as number),
    )
    const again = await all(media.frames(path, { timestamps: [12.02] }))
    expect(Buffer.compare(again[0]?.data ?? Buffer.alloc(0), frames[3]?.data ?? Buffer.alloc(1))).toBe(0)
  })

  test('are bounded in number and size, and turned as asked', async () => {
    const path = await video('bounded.mp4', { frames: 50 })
    const frames = await all(media.frames(path, { everyS: 0.1, maxFrames: 3, maxSide: 64, rotation: 90 }))
    expect(frames).toHaveLength(3)
    expect(frames[0]).toMatchObject({ width: 48, height: 64 })
  })

  test('a loop that is left early frees the child', async () => {
    const path = await video('left.mp4', { frames: 250 })
    for await (const frame of media.frames(path, { everyS: 0.04 })) {
      expect(frame.width).toBe(320)
      break
    }
    await until(() => media.children().every(child => !child.busy), { deadlineMs: 30_000 })
    expect(await media.probeVideo(path)).toMatchObject({ width: 320 })
  })

  test('an error in the loop is passed on and frees the child too', async () => {
    const path = await video('thrown.mp4', { frames: 250 })
    const looking = async () => {
      for await (const frame of media.frames(path, { everyS: 0.04 })) throw new Error(`mine ${frame.width}`)
    }
    await expect(looking()).rejects.toThrow('mine 320')
    expect(await media.probeVideo(path)).toMatchObject({ width: 320 })
  })
})

describe('playback', () => {
  test('is 720p, begins with its index and tells its progress', async () => {
    const path = await video('large.mp4', { width: 1920, height: 1080, frames: 25, sound: true })
    const target = join(folder, 'large.playback.mp4')
    const shares: number[] = []
    const result = await media.transcodePlayback(path, target, { onProgress: share => shares.push(share) })
    expect(result).toMatchObject({ encoded: true, width: 1280, height: 720 })
    expect(result.size).toBe((await stat(target)).size)
    const bytes = await readFile(target)
    expect(bytes.indexOf('moov', 0, 'latin1')).toBeLessThan(bytes.indexOf('mdat', 0, 'latin1'))
    const probe = await media.probeVideo(target)
    expect(probe).toMatchObject({ videoCodec: 'h264', audio: [{ codec: 'aac', channels: 2, sampleRate: 48_000 }] })
    expect(probe.durationS).toBeCloseTo(1, 1)
    for (const share of shares) expect(share).toBeLessThanOrEqual(1)
  })

  test.each([
    ['copied', 'h264', false],
    ['encoded', 'hevc', true],
  ] as const)('that is %s tells which seconds move', async (name, codec, encoded) => {
    const path = await video(`moves-${name}.mp4`, { codec, frames: 150, still: 75 })
    const result = await media.transcodePlayback(path, join(folder, `moves-${name}.playback.mp4`))
    expect(result.encoded).toBe(encoded)
    expect(result.motion).toHaveLength(6)
    for (const still of result.motion.slice(0, 3)) expect(still).toBeLessThan(0.02)
    for (const moving of result.motion.slice(3)) expect(moving).toBeGreaterThan(0.2)
  })

  test('of a turned video is upright', async () => {
    const path = await video('turn.mp4', { width: 640, height: 360, frames: 10 })
    const target = join(folder, 'turn.playback.mp4')
    expect(await media.transcodePlayback(path, target, { rotation: 90 })).toMatchObject({
      encoded: true,
      width: 360,
      height: 640,
    })
    expect(await media.probeVideo(target)).toMatchObject({ width: 360, height: 640, rotation: 0 })
  })

  test('of an HDR video is tone-mapped to SDR, and so is its poster', async () => {
    const path = await video('hdr.mp4', { codec: 'hevc', hdr: true, width: 1280, height: 720, frames: 10 })
    expect(await media.probeVideo(path)).toMatchObject({ hdr: true, videoCodec: 'hevc' })
    expect((await media.posterFrame(path)).data.length).toBe(1280 * 720 * 3)
    const target = join(folder, 'hdr.playback.mp4')
    expect(await media.transcodePlayback(path, target)).toMatchObject({ encoded: true, width: 1280 })
    expect(await media.probeVideo(target)).toMatchObject({ hdr: false, videoCodec: 'h264', rotation: 0 })
  })

  test('can be cancelled and then leaves no file', async () => {
    const path = await video('cancel.mp4', { width: 1280, height: 960, frames: 200 })
    const target = join(folder, 'cancel.playback.mp4')
    const stop = new AbortController()
    const job = media.transcodePlayback(path, target, { signal: stop.signal })
    await until(
      () =>
        stat(`${target}.part.mp4`).then(
          () => true,
          () => false,
        ),
      { deadlineMs: 30_000 },
    )
    stop.abort()
    await expect(job).rejects.toMatchObject({ reason: 'CANCELLED' })
    await expect(stat(target)).rejects.toThrow()
  })
})

describe('sound', () => {
  test('its loudness is told by the second', async () => {
    const path = await video('sound.mp4', { sound: true, frames: 75 })
    const { rmsDb, peakDb } = await media.loudness(path)
    expect(rmsDb.length).toBeGreaterThanOrEqual(3)
    // 0.05 and 0.5 of full scale, a sine's RMS is 3 dB below its peak.
    expect(rmsDb[0]).toBeCloseTo(-29, -0.5)
    expect(rmsDb[1]).toBeCloseTo(-9, -0.5)
    expect(peakDb[1]).toBeCloseTo(-6, -0.5)
  })

  test('a part of it is taken out as stereo', async () => {
    const path = await video('part.mp4', { sound: true, frames: 75 })
    const clip = await media.extractAudio(path, { startS: 1, durationS: 1, sampleRate: 44_100 })
    expect(clip).toMatchObject({ channels: 2, sampleRate: 44_100 })
    expect(clip?.samples.length).toBe(88_200)
    // One channel becomes two of 3 dB less each: the same power.
    expect(Math.max(...(clip?.samples.subarray(20_000, 60_000) ?? []))).toBeCloseTo(0.354, 1)
  })

  test('silence is silence', async () => {
    const path = await video('silent.mp4', { frames: 10 })
    expect(await media.loudness(path)).toEqual({ rmsDb: [], peakDb: [] })
    expect(await media.extractAudio(path)).toBeUndefined()
  })
})

test('a photo is refused by its kind', async () => {
  const path = await video('sound-only.mp4', { soundOnly: true })
  await expect(media.probeVideo(path)).rejects.toMatchObject({ reason: 'NO_PICTURE' })
})
