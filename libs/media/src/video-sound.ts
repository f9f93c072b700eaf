import { Decoder, FilterAPI } from 'node-av/api'
import type { Frame } from 'node-av/lib'
import { packets, secondsOf, withVideo, type VideoInput } from './video-input.js'
import type { Loudness } from './video-types.js'

/** Sound is measured at this rate, mono: enough for loudness, a tenth of the bytes. Hz. */
const measuredRate = 16_000

/** What silence is called, dBFS. */
const silenceDb = -90

/** RMS and peak of every second of the first audio track. */
export function loudness(file: string, maxPixels: number): Promise<Loudness> {
  return withVideo(file, maxPixels, async input => {
    const squares: number[] = []
    const peaks: number[] = []
    const counts: number[] = []
    const format = `aformat=sample_fmts=flt:channel_layouts=mono:sample_rates=${measuredRate}`
    for await (const { samples, timeS } of sound(input, format)) {
      for (let i = 0; i < samples.length; i++) {
        const second = Math.max(0, Math.floor(timeS + i / measuredRate))
        const value = samples[i] ?? 0
        squares[second] = (squares[second] ?? 0) + value * value
        counts[second] = (counts[second] ?? 0) + 1
        peaks[second] = Math.max(peaks[second] ?? 0, Math.abs(value))
      }
    }
    return {
      rmsDb: Array.from(squares, (sum, i) => decibel(Math.sqrt((sum ?? 0) / Math.max(1, counts[i] ?? 0)))),
      peakDb: Array.from(peaks, peak => decibel(peak ?? 0)),
    }
  })
}

/** Stereo floats of a part of the first audio track as bytes; undefined when there is no sound. */
export function extractAudio(job: {
  file: string
  startS: number
  durationS: number
  sampleRate: number
  maxPixels: number
}): Promise<{ data: Uint8Array } | undefined> {
  return withVideo(job.file, job.maxPixels, async input => {
    if (!input.audio) return undefined
    const until = Math.min(job.durationS, Math.max(0, input.durationS - job.startS))
    const out = new Float32Array(Math.ceil(until * job.sampleRate) * 2)
    const format = `aformat=sample_fmts=flt:channel_layouts=stereo:sample_rates=${job.sampleRate}`
    for await (const { samples, timeS } of sound(input, format)) {
      const from = Math.round((timeS - job.startS) * job.sampleRate) * 2
      if (from >= out.length) break
      const skip = Math.max(0, -from)
      const part = samples.subarray(skip, skip + Math.max(0, out.length - from - skip))
      if (part.length > 0) out.set(part, from + skip)
    }
    return { data: new Uint8Array(out.buffer) }
  })
}

async function* sound(input: VideoInput, format: string): AsyncGenerator<{ samples: Float32Array; timeS: number }> {
  const { audio } = input
  if (!audio) return
  const decoder = await Decoder.create(audio, { exitOnError: false })
  const filter = FilterAPI.create(format, { threads: 1 })
  let at: number | undefined
  const measured = (frame: Frame) => {
    const bytes = frame.toBuffer()
    const samples = new Float32Array(
      bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + frame.nbSamples * frame.channels * 4),
    )
    // Time goes on from the first timestamp by counting: a resampler's own timestamps jitter.
    at ??= firstTime
    const timeS = at
    at += frame.nbSamples / frame.sampleRate
    frame.free()
    return { samples, timeS }
  }
  let firstTime = 0
  let begun = false
  try {
    for await (const packet of packets(input, audio)) {
      for (const frame of await decoder.decodeAll(packet)) {
        if (!begun) firstTime = secondsOf(input, audio, frame.pts)
        begun = true
        for (const out of await filter.processAll(frame)) yield measured(out)
        frame.free()
      }
    }
    for (const frame of await decoder.decodeAll(null)) {
      for (const out of await filter.processAll(frame)) yield measured(out)
      frame.free()
    }
    if (begun) for (const out of await filter.processAll(null)) yield measured(out)
  } finally {
    filter.close()
    decoder.close()
  }
}

function decibel(value: number): number {
  return value <= 0 ? silenceDb : Math.max(silenceDb, Math.round(200 * Math.log10(value)) / 10)
}
