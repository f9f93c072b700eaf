import { Decoder } from 'node-av/api'
import { AVMEDIA_TYPE_AUDIO } from 'node-av/constants'
import { Codec } from 'node-av/lib'
import { DecodeFailure } from './decode-failure.js'
import { packets, withVideo, type VideoInput } from './video-input.js'
import type { VideoProbe } from './video-types.js'

/** Packets that are decoded to see whether the file is what its header says. */
const checkedPackets = 100

/** More than this share of the checked packets broken: the file counts as damaged. */
const brokenShare = 0.01

/** Reads what a video holds and decodes its beginning, so that a good header over bad pictures is found out. */
export function probeVideo(file: string, maxPixels: number): Promise<VideoProbe> {
  return withVideo(file, maxPixels, async input => {
    const { context, video } = input
    const tags = tagsOf(input)
    const flawed = await check(input)
    return {
      container: input.container,
      contentType: input.contentType,
      durationS: round(input.durationS),
      pictureS: round(input.pictureS),
      storedWidth: video.codecpar.width,
      storedHeight: video.codecpar.height,
      width: input.width,
      height: input.height,
      rotation: input.orientation.rotation,
      videoCodec: Codec.findDecoder(video.codecpar.codecId)?.name ?? 'unknown',
      fps: input.fps,
      hdr: input.hdr,
      flawed,
      audio: context.streams
        .filter(stream => stream.codecpar.codecType === AVMEDIA_TYPE_AUDIO)
        .map(stream => {
          const language = stream.metadata?.get('language')
          return {
            codec: Codec.findDecoder(stream.codecpar.codecId)?.name ?? 'unknown',
            channels: stream.codecpar.channels,
            sampleRate: stream.codecpar.sampleRate,
            ...(language && language !== 'und' ? { language } : {}),
          }
        }),
      ...createdAt(tags),
      quickTime: quickTime(tags),
      tags,
    }
  })
}

/** Decodes the first packets. Says whether some were broken; throws when too many were, or when no picture came out. */
async function check(input: VideoInput): Promise<boolean> {
  const decoder = await Decoder.create(input.video, { exitOnError: true, threadCount: 1 })
  let seen = 0
  let broken = 0
  let pictures = 0
  const decode = async (packet: Parameters<Decoder['decodeAll']>[0]) => {
    try {
      for (const frame of await decoder.decodeAll(packet)) {
        pictures++
        frame.free()
      }
    } catch {
      broken++
    }
  }
  try {
    for await (const packet of packets(input, input.video)) {
      seen++
      await decode(packet)
      if (seen >= checkedPackets) break
    }
    if (pictures < seen - broken) await decode(null)
  } finally {
    decoder.close()
  }
  if (pictures === 0) throw new DecodeFailure(seen === 0 ? 'NO_PICTURE' : 'CORRUPT')
  if (broken / seen > brokenShare) throw new DecodeFailure('CORRUPT', undefined, { broken: `${broken} of ${seen}` })
  return broken > 0
}

function tagsOf({ context, video }: VideoInput): Record<string, string> {
  const all = { ...video.metadata?.getAll(), ...context.metadata?.getAll() }
  return Object.fromEntries(
    Object.entries(all)
      .slice(0, 100)
      .map(([key, value]) => [key.slice(0, 100), value.slice(0, 1000)]),
  )
}

function createdAt(tags: Record<string, string>): { createdAt?: Date } {
  const date = new Date(tags['creation_time'] ?? NaN)
  // 0 means 1904 in MP4, and many writers leave 1970.
  return date.getUTCFullYear() > 1970 ? { createdAt: date } : {}
}

function quickTime(tags: Record<string, string>): VideoProbe['quickTime'] {
  const tag = (...names: string[]) => names.map(name => tags[name]?.trim()).find(value => value)
  const apple = 'com.apple.quicktime.'
  const found = {
    contentIdentifier: tag(`${apple}content.identifier`),
    creationDate: tag(`${apple}creationdate`),
    make: tag(`${apple}make`, 'com.android.manufacturer', 'make'),
    model: tag(`${apple}model`, 'com.android.model', 'model'),
    software: tag(`${apple}software`, 'com.android.version', 'software'),
    location: location(tag(`${apple}location.ISO6709`, 'location', 'location-eng')),
  }
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined))
}

/** ISO 6709 in decimal degrees: `+35.6895+139.6917+040.000/`. */
function location(text: string | undefined): VideoProbe['quickTime']['location'] {
  const match = /^([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?/.exec(text ?? '')
  if (!match) return undefined
  const [latitude, longitude] = [Number(match[1]), Number(match[2])]
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) return undefined
  return { latitude, longitude, ...(match[3] === undefined ? {} : { altitude: Number(match[3]) }) }
}

function round(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}
