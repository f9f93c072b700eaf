import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { getPriority, tmpdir } from 'node:os'
import { join } from 'node:path'
import { until } from '@keepsake/testing'
import sharp from 'sharp'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { hammingDistance, openMedia, type Media, type RgbImage } from './index.js'
import { box, sampleHeic, sampleImage, samplePixels, u16, u32, writeSampleVideo } from './testing/sample-media.js'

let folder: string
let media: Media

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'keepsake-images-'))
  media = openMedia({ imageChildren: 1 })
})
afterAll(async () => {
  await media.close()
  await rm(folder, { recursive: true, force: true })
})

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, bytes)
  return path
}

/** Which corner holds the red square: where the picture's top left went. */
function redCorner({ data, width, height }: RgbImage): string {
  const at = (x: number, y: number) => {
    const i = (Math.floor(y * height) * width + Math.floor(x * width)) * 3
    return (data[i] ?? 0) > 180 && (data[i + 1] ?? 255) < 90
  }
  const corners = {
    'top left': [0.1, 0.1],
    'top right': [0.9, 0.1],
    'bottom left': [0.1, 0.9],
    'bottom right': [0.9, 0.9],
  }
  return Object.entries(corners).find(([, [x = 0, y = 0]]) => at(x, y))?.[0] ?? 'nowhere'
}

describe('rendering a still', () => {
  test.each(['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const)(
    '%s gives all renditions and figures',
    async format => {
      const path = await file(
        `plain.${format}`,
        await sampleImage(2100, 1400)
          .toFormat(format, { effort: format === 'avif' ? 0 : 1 })
          .toBuffer(),
      )
      const rendered = await media.renderImage({ source: path })
      expect(rendered).toMatchObject({ format, width: 2100, height: 1400, pages: 1, flawed: false })
      expect(rendered.preview).toMatchObject({ width: 2048, height: 1365, contentType: 'image/webp' })
      expect(rendered.thumbnail).toMatchObject({ width: 480, height: 320 })
      expect(rendered.blurhash.length).toBeGreaterThan(20)
      const seen = await sharp(rendered.preview.data).metadata()
      expect(seen).toMatchObject({ format: 'webp', width: 2048 })
      expect(seen.exif ?? seen.xmp ?? seen.icc).toBeUndefined()
    },
  )

  test('HEIC is read, with its own turn', async () => {
    const flat = await media.decodeRgb(await file('flat.heic', await sampleHeic(folder)))
    expect(flat).toMatchObject({ width: 320, height: 240, fullWidth: 320, fullHeight: 240 })
    const path = await file('turned.heic', await sampleHeic(folder, 1))
    expect(await media.probeImage(path)).toMatchObject({ format: 'heic', width: 240, height: 320, storedWidth: 320 })
    expect(await media.renderImage({ source: path })).toMatchObject({ width: 240, height: 320 })
  })

  test.each([
    [1, 0, 'top left', 400, 300],
    [3, 0, 'bottom right', 400, 300],
    [6, 0, 'top right', 300, 400],
    [8, 0, 'bottom left', 300, 400],
    [2, 0, 'top right', 400, 300],
    [1, 90, 'top right', 300, 400],
    [1, 180, 'bottom right', 400, 300],
    [1, 270, 'bottom left', 300, 400],
    [6, 90, 'bottom right', 400, 300],
    [8, 90, 'top left', 400, 300],
  ] as const)(
    'orientation %i and a correction of %i puts the top left to the %s',
    async (orientation, rotation, corner, width, height) => {
      const path = await file('turned.jpg', await sampleImage(400, 300).withMetadata({ orientation }).jpeg().toBuffer())
      const pixels = await media.decodeRgb(path, { rotation })
      expect(pixels).toMatchObject({ width, height, fullWidth: width, fullHeight: height })
      expect(redCorner(pixels)).toBe(corner)
      expect(pixels.data.length).toBe(width * height * 3)
      expect(await media.renderImage({ source: path, rotation })).toMatchObject({ width, height })
    },
  )

  test('CMYK, 16 bits, grey, alpha and another colour space become plain sRGB', async () => {
    const wanted = await sharp(samplePixels(64, 48), { raw: { width: 64, height: 48, channels: 3 } })
      .raw()
      .toBuffer()
    const near = (data: Uint8Array) =>
      data.reduce((sum, value, i) => sum + Math.abs(value - (wanted[i] ?? 0)), 0) / data.length
    const image = () => sampleImage(64, 48)
    const sources = {
      cmyk: [await image().toColourspace('cmyk').tiff().toBuffer(), 14],
      sixteen: [await image().toColourspace('rgb16').png().toBuffer(), 1],
      p3: [await image().withIccProfile('p3').png().toBuffer(), 3],
      alpha: [await image().ensureAlpha(1).png().toBuffer(), 1],
    } as const
    for (const [name, [bytes, most]] of Object.entries(sources)) {
      const { data } = await media.decodeRgb(await file(name, bytes))
      expect({ name, off: near(data) }).toEqual({ name, off: expect.closeTo(0, -Math.log10(most * 2)) as number })
      expect(near(data)).toBeLessThan(most)
    }
    const grey = await media.decodeRgb(await file('grey', await image().greyscale().png().toBuffer()))
    expect(grey.data.length).toBe(64 * 48 * 3)
    expect(grey.data[300]).toBe(grey.data[301])
    const clear = await sharp({ create: { width: 8, height: 8, channels: 4, background: '#0000' } })
      .png()
      .toBuffer()
    expect((await media.decodeRgb(await file('clear', clear))).data[0]).toBe(255)
  })

  test('near duplicates have near hashes, other pictures do not', async () => {
    const first = await media.renderImage({
      source: await file('one.jpg', await sampleImage(1200, 900).jpeg().toBuffer()),
    })
    const again = await sampleImage(1200, 900)
      .resize(800)
      .modulate({ brightness: 1.1 })
      .jpeg({ quality: 50 })
      .toBuffer()
    const second = await media.renderImage({ source: await file('two.jpg', again) })
    const other = await media.renderImage({
      source: await file('three.jpg', await sampleImage(1200, 900).flop().negate().jpeg().toBuffer()),
    })
    expect(hammingDistance(first.pHash, second.pHash)).toBeLessThanOrEqual(6)
    expect(hammingDistance(first.pHash, other.pHash)).toBeGreaterThan(16)
    expect(hammingDistance(first.dHash, second.dHash)).toBeLessThanOrEqual(6)
  })

  test('a large decode crosses whole, and small ones are not enlarged', async () => {
    const path = await file('large.png', await sampleImage(1500, 1000).png().toBuffer())
    const whole = await media.decodeRgb(path)
    expect(Buffer.compare(whole.data, samplePixels(1500, 1000))).toBe(0)
    expect(await media.decodeRgb(path, { maxSide: 300 })).toMatchObject({ width: 300, height: 200, fullWidth: 1500 })
    const tiny = await file('tiny.png', await sampleImage(5, 4).png().toBuffer())
    expect(await media.decodeRgb(tiny, { maxSide: 300 })).toMatchObject({ width: 5, height: 4 })
    const rendered = await media.renderImage({ source: { data: samplePixels(200, 100), width: 200, height: 100 } })
    expect(rendered).toMatchObject({ width: 200, height: 100, preview: { width: 200 } })
  })

  test('an animation shows its first frame', async () => {
    const frames = [1, 2, 3].map(i => ({
      input: samplePixels(40, 30, i * 8),
      raw: { width: 40, height: 30, channels: 3 as const },
    }))
    const gif = await sharp(
      frames.map(frame => frame.input),
      { raw: { width: 40, height: 30, channels: 3 }, join: { animated: true } } as never,
    )
      .gif({ delay: [100, 100, 100] })
      .toBuffer()
      .catch(() => undefined)
    const bytes = gif ?? (await sampleImage(40, 30).gif().toBuffer())
    expect(await media.renderImage({ source: await file('moving.gif', bytes) })).toMatchObject({
      width: 40,
      height: 30,
    })
  })
})

describe('live photos', () => {
  test("Apple's content identifier is found in the maker note", async () => {
    const identifier = '9B539AB8-A668-4FA6-9207-EB653A5E7E3C'
    const note = Buffer.concat([
      Buffer.from('Apple iOS\0\0\x01MM', 'latin1'),
      u16(1),
      Buffer.concat([u16(0x11), u16(2), u32(identifier.length + 1), u32(32)]),
      u32(0),
      Buffer.from(`${identifier}\0`),
    ])
    const jpeg = await sampleImage(64, 48).jpeg().toBuffer()
    const segment = Buffer.concat([Buffer.from([0xff, 0xe1]), u16(note.length + 2), note])
    const path = await file('apple.jpg', Buffer.concat([jpeg.subarray(0, 2), segment, jpeg.subarray(2)]))
    expect(await media.liveMarkers(path)).toEqual({ contentIdentifier: identifier })
  })

  test.each(['container', 'micro video', 'wrong place', 'mpvd box'])(
    'the clip of a motion photo is found by %s',
    async how => {
      const clipPath = join(folder, 'clip.mp4')
      await writeSampleVideo(clipPath, { frames: 5 })
      const { readFile } = await import('node:fs/promises')
      const clip = await readFile(clipPath)
      const xmp = {
        container: `<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary"/></rdf:li><rdf:li><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" Item:Length="${clip.length}"/></rdf:li>`,
        'micro video': `<rdf:Description GCamera:MicroVideo="1" GCamera:MicroVideoOffset="${clip.length}" GCamera:MicroVideoPresentationTimestampUs="120000"/>`,
        'wrong place': `<rdf:Description GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="17"/>`,
        'mpvd box': '',
      }[how]
      const still =
        how === 'mpvd box'
          ? await sampleHeic(folder)
          : await sampleImage(320, 240)
              .withXmp(
                `<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="r" xmlns:GCamera="g" xmlns:Container="c" xmlns:Item="i">${xmp}</rdf:RDF></x:xmpmeta>`,
              )
              .jpeg()
              .toBuffer()
      const path = await file('motion.bin', Buffer.concat([still, how === 'mpvd box' ? box('mpvd', [clip]) : clip]))
      const { motionPhoto } = await media.liveMarkers(path)
      expect(motionPhoto).toMatchObject({ length: clip.length })
      if (how === 'micro video') expect(motionPhoto?.stillAtS).toBe(0.12)
      const target = join(folder, 'taken-out.mp4')
      expect(await media.motionPhotoVideo(path, target)).toBe(true)
      expect(await readFile(target)).toEqual(clip)
      expect(await media.renderImage({ source: path })).toMatchObject({ width: 320, height: 240 })
    },
  )

  test('a plain photo has none', async () => {
    const path = await file('plain.jpg', await sampleImage(64, 48).jpeg().toBuffer())
    expect(await media.liveMarkers(path)).toEqual({})
    expect(await media.motionPhotoVideo(path, join(folder, 'none.mp4'))).toBe(false)
  })
})

describe('children', () => {
  test('a killed child costs nothing: its job runs again', async () => {
    const path = await file('slow.avif', await sampleImage(1600, 1200).avif({ effort: 0 }).toBuffer())
    const job = media.renderImage({ source: path })
    const child = await until(() => media.children().find(one => one.busy), { deadlineMs: 30_000 })
    process.kill(child?.pid ?? 0, 'SIGKILL')
    expect(await job).toMatchObject({ width: 1600 })
  })

  test('a job out of time fails with its code, and the next one is fine', async () => {
    const path = await file('late.avif', await sampleImage(1600, 1200).avif({ effort: 0 }).toBuffer())
    await expect(media.renderImage({ source: path }, { timeoutMs: 20 })).rejects.toMatchObject({
      reason: 'TOO_LONG_TO_DECODE',
      retryable: true,
    })
    expect(await media.probeImage(path)).toMatchObject({ width: 1600 })
  })

  test('a job can be cancelled while it runs and while it waits', async () => {
    const path = await file('cancel.avif', await sampleImage(1600, 1200).avif({ effort: 0 }).toBuffer())
    const stop = new AbortController()
    const work = () => media.renderImage({ source: path }, { signal: stop.signal })
    const outcomes = Promise.allSettled([work(), work()])
    await until(() => media.children().some(child => child.busy), { deadlineMs: 30_000 })
    stop.abort()
    const cancelled = { status: 'rejected', reason: expect.objectContaining({ reason: 'CANCELLED' }) as unknown }
    expect(await outcomes).toEqual([cancelled, cancelled])
    await expect(media.renderImage({ source: path }, { signal: stop.signal })).rejects.toMatchObject({
      reason: 'CANCELLED',
    })
  })

  test("another family's still is decoded beside an import, in a child that is less nice", async () => {
    const shared = openMedia({ imageChildren: 1 })
    try {
      const path = await file('shared.png', await sampleImage(200, 200).png().toBuffer())
      const decode = (family: string) => shared.probeImage(path, { family })
      const busy = () => shared.children().filter(child => child.busy)
      const many = [decode('many'), decode('many')]
      expect(busy()).toHaveLength(1)
      const single = decode('single')
      expect(busy()).toHaveLength(2)
      expect(await Promise.all([...many, single])).toHaveLength(3)
      const niceness = shared.children().map(({ pid }) => getPriority(pid))
      expect(niceness).toEqual([Math.max(5, getPriority()), Math.max(0, getPriority())])
    } finally {
      await shared.close()
    }
  })

  test('a child above its memory is ended with its code', async () => {
    const small = openMedia({ imageChildren: 1, limits: { imageMemoryMiB: 60 } })
    try {
      const path = await file('memory.png', await sampleImage(4000, 3000).png().toBuffer())
      await expect(small.decodeRgb(path)).rejects.toMatchObject({ reason: 'TOO_LARGE' })
    } finally {
      await small.close()
    }
  })

  test('idle children go, by themselves and when asked', async () => {
    const brief = openMedia({ imageChildren: 2, idleMs: 50 })
    const path = await file('idle.png', await sampleImage(20, 20).png().toBuffer())
    await Promise.all([brief.probeImage(path), brief.probeImage(path)])
    await until(() => brief.children().length === 0, { deadlineMs: 30_000 })
    await media.probeImage(path)
    media.release()
    await until(() => media.children().length === 0, { deadlineMs: 30_000 })
    expect(await media.probeImage(path)).toMatchObject({ width: 20 })
    await brief.close()
    await expect(brief.probeImage(path)).rejects.toMatchObject({ reason: 'CANCELLED' })
  })

  test('what a child is told holds nothing of our environment', async () => {
    process.env['KEEPSAKE_TEST_SECRET'] = 'do not pass on'
    const fresh = openMedia({ imageChildren: 1 })
    try {
      await fresh.probeImage(await file('env.png', await sampleImage(20, 20).png().toBuffer()))
      const pid = fresh.children()[0]?.pid ?? 0
      const { readFile } = await import('node:fs/promises')
      const environment = await readFile(`/proc/${pid}/environ`, 'latin1').catch(() => '')
      expect(environment).not.toContain('do not pass on')
    } finally {
      delete process.env['KEEPSAKE_TEST_SECRET']
      await fresh.close()
    }
  })
})
