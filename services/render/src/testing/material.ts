/** Pictures and clips for tests, made on the spot: nothing is stored in the repository. */
import { Encoder, Muxer } from 'node-av/api'
import * as av from 'node-av/constants'
import { Frame, Log, Rational } from 'node-av/lib'
import { videoFrame } from '@keepsake/media/video-frame'
import sharp from 'sharp'
import type { PlanItem } from '../plan.js'
import { randomFrom } from '../random.js'

Log.setLevel(av.AV_LOG_ERROR)

/** A picture with structure that differs by seed: a gradient, shapes and some noise. */
export function testPicture(width: number, height: number, seed: number): Promise<Buffer> {
  const random = randomFrom(seed + 1)
  const colour = (): string =>
    `hsl(${Math.floor(random() * 360)},${40 + Math.floor(random() * 50)}%,${25 + Math.floor(random() * 55)}%)`
  const shapes = Array.from({ length: 40 }, () => {
    const [x, y, r] = [random() * width, random() * height, (0.02 + random() * 0.12) * Math.min(width, height)]
    return random() < 0.5
      ? `<circle cx="${x}" cy="${y}" r="${r}" fill="${colour()}"/>`
      : `<rect x="${x}" y="${y}" width="${r * 2}" height="${r}" fill="${colour()}" transform="rotate(${random() * 90} ${x} ${y})"/>`
  })
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}"><defs><linearGradient id="g" x2="1" y2="1"><stop stop-color="${colour()}"/><stop offset="1" stop-color="${colour()}"/></linearGradient></defs><rect width="100%" height="100%" fill="url(#g)"/>${shapes.join('')}</svg>`
  return sharp(Buffer.from(svg)).webp({ quality: 90 }).toBuffer()
}

/** A clip whose picture turns from seed to seed and moves slowly, with a tone of `tone` Hz (none: no sound track). */
export async function testClip(
  file: string,
  options: { width: number; height: number; seconds: number; seed: number; tone?: number },
): Promise<void> {
  const { width, height, seconds, seed, tone } = options
  const { data } = await sharp(await testPicture(width + 64, height, seed))
    .removeAlpha()
    .raw()
    .toBuffer({ resolveWithObject: true })
  const muxer = await Muxer.open(file, { format: 'mp4' })
  const video = await Encoder.create(av.FF_ENCODER_LIBX264, {
    context: { timeBase: new Rational(1, 30), framerate: new Rational(30, 1), gopSize: 30 },
    options: { preset: 'ultrafast', crf: 16 },
  })
  const audio = await Encoder.create(av.FF_ENCODER_AAC, {
    context: { bitRate: '96k', timeBase: new Rational(1, 48_000) },
  })
  const videoIndex = muxer.addStream(video)
  const audioIndex = tone === undefined ? -1 : muxer.addStream(audio)
  const put = async (encoder: Encoder, index: number, frame: Frame | null): Promise<void> => {
    for (const packet of await encoder.encodeAll(frame)) {
      await muxer.writePacket(packet, index)
      packet.free()
    }
    frame?.free()
  }
  for (let n = 0; n < seconds * 30; n++) {
    const shift = n % 60 < 30 ? n % 30 : 30 - (n % 30)
    const yuv = Buffer.alloc((width * height * 3) / 2)
    const chroma = width * height
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const i = (y * (width + 64) + x + shift) * 3
        const [r, g, b] = [data[i]!, data[i + 1]!, data[i + 2]!]
        yuv[y * width + x] = 16 + 0.1826 * r + 0.6142 * g + 0.062 * b
        if (y % 2 === 0 && x % 2 === 0) {
          const c = (y / 2) * (width / 2) + x / 2
          yuv[chroma + c] = 128 - 0.1006 * r - 0.3386 * g + 0.4392 * b
          yuv[chroma + chroma / 4 + c] = 128 + 0.4392 * r - 0.3989 * g - 0.0403 * b
        }
      }
    }
    const frame = videoFrame(yuv, { width, height, timeBase: { num: 1, den: 30 }, pts: BigInt(n) })
    frame.colorRange = av.AVCOL_RANGE_MPEG
    frame.colorSpace = av.AVCOL_SPC_BT709
    frame.colorPrimaries = av.AVCOL_PRI_BT709
    frame.colorTrc = av.AVCOL_TRC_BT709
    await put(video, videoIndex, frame)
  }
  await put(video, videoIndex, null)
  if (tone !== undefined) {
    for (let at = 0; at < seconds * 48_000; at += 1024) {
      const planar = new Float32Array(2048)
      for (let i = 0; i < 1024; i++)
        planar[i] = planar[1024 + i] = 0.3 * Math.sin((2 * Math.PI * tone * (at + i)) / 48_000)
      const frame = Frame.fromAudioBuffer(Buffer.from(planar.buffer), {
        nbSamples: 1024,
        format: av.AV_SAMPLE_FMT_FLTP,
        sampleRate: 48_000,
        channelLayout: av.AV_CHANNEL_LAYOUT_STEREO,
        timeBase: { num: 1, den: 48_000 },
        pts: BigInt(at),
      })
      await put(audio, audioIndex, frame)
    }
    await put(audio, audioIndex, null)
  }
  await muxer.close()
  video.close()
  audio.close()
}

/** An item for a plan; day `n` of the period. */
export function testItem(n: number, changes: Partial<PlanItem> = {}): PlanItem {
  const day = new Date(Date.UTC(2026, 7, 1 + n)).toISOString().slice(0, 10)
  return {
    mediaId: `item-${String(n).padStart(3, '0')}`,
    kind: 'photo',
    takenAt: `${day}T10:00:00`,
    precision: 'time',
    width: 1600,
    height: 1200,
    faces: [],
    rating: 50 + (n % 7),
    reason: 'a good picture',
    tag: `t${n}`,
    ...changes,
  }
}
