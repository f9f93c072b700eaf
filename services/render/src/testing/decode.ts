/** Reads a finished film back, for tests. */
import { Decoder, Demuxer } from 'node-av/api'
import * as av from 'node-av/constants'
import { integratedLufs, truePeakDb } from '../loudness.js'
import type { Stereo } from '../synth.js'

/** A film as a player sees it. Luma planes of every frame are kept: use short films. */
export interface DecodedFilm {
  width: number
  height: number
  frames: number
  durationS: number
  /** Luma of one frame. */
  at(frame: number): Uint8Array
  sound: Stereo
  lufs: number
  truePeakDb: number
  keyframeGaps: number[]
  stream: Record<string, string | number>
}

/** Decodes all of a film. */
export async function decodeFilm(file: string): Promise<DecodedFilm> {
  await using demuxer = await Demuxer.open(file)
  const video = demuxer.video()
  const audio = demuxer.audio()
  if (!video || !audio) throw new Error('a film has a picture and a sound track')
  using videoDecoder = await Decoder.create(video)
  using audioDecoder = await Decoder.create(audio)
  const { width, height } = video.codecpar
  const lumas: Uint8Array[] = []
  const left: number[] = []
  const right: number[] = []
  const keyframes: number[] = []
  const takeVideo = async (packet: Parameters<typeof videoDecoder.decodeAll>[0]): Promise<void> => {
    for (const frame of await videoDecoder.decodeAll(packet)) {
      if (frame.keyFrame) keyframes.push(lumas.length)
      lumas.push(Uint8Array.prototype.slice.call(frame.toBuffer(), 0, width * height))
      frame.free()
    }
  }
  const takeAudio = async (packet: Parameters<typeof audioDecoder.decodeAll>[0]): Promise<void> => {
    for (const frame of await audioDecoder.decodeAll(packet)) {
      const bytes = frame.toBuffer()
      for (let i = 0; i < frame.nbSamples; i++) {
        left.push(bytes.readFloatLE(i * 4))
        right.push(bytes.readFloatLE((frame.nbSamples + i) * 4))
      }
      frame.free()
    }
  }
  for await (const packet of demuxer.packets()) {
    if (!packet) break
    if (packet.streamIndex === video.index) await takeVideo(packet)
    if (packet.streamIndex === audio.index) await takeAudio(packet)
    packet.free()
  }
  await takeVideo(null)
  await takeAudio(null)
  const sound: Stereo = { left: Float32Array.from(left), right: Float32Array.from(right) }
  const { codecpar } = video
  return {
    width,
    height,
    frames: lumas.length,
    durationS: demuxer.duration,
    at: frame => {
      const luma = lumas[frame]
      if (!luma) throw new RangeError(`the film has no frame ${frame}`)
      return luma
    },
    sound,
    lufs: integratedLufs(sound),
    truePeakDb: truePeakDb(sound),
    keyframeGaps: keyframes.slice(1).map((k, i) => k - (keyframes[i] ?? 0)),
    stream: {
      codec: codecpar.codecId === av.AV_CODEC_ID_H264 ? 'h264' : 'other',
      profile: codecpar.profile,
      pixels: codecpar.format === av.AV_PIX_FMT_YUV420P ? 'yuv420p' : 'other',
      range: codecpar.colorRange === av.AVCOL_RANGE_MPEG ? 'tv' : 'other',
      space: codecpar.colorSpace === av.AVCOL_SPC_BT709 ? 'bt709' : 'other',
      primaries: codecpar.colorPrimaries === av.AVCOL_PRI_BT709 ? 'bt709' : 'other',
      transfer: codecpar.colorTrc === av.AVCOL_TRC_BT709 ? 'bt709' : 'other',
      fps: video.avgFrameRate.num / video.avgFrameRate.den,
      width,
      height,
      audioCodec: audio.codecpar.codecId === av.AV_CODEC_ID_AAC ? 'aac' : 'other',
      sampleRate: audio.codecpar.sampleRate,
      channels: audio.codecpar.channelLayout.nbChannels,
    },
  }
}
