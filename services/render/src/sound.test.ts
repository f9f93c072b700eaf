import fc from 'fast-check'
import { FilterGraph, Frame, Log, Rational } from 'node-av/lib'
import * as av from 'node-av/constants'
import { describe, expect, test } from 'vitest'
import { compose, tonicTriad } from './compose.js'
import { integratedLufs, limit, normaliseLoudness, truePeakDb } from './loudness.js'
import { mix } from './mix.js'
import { MOODS, MOOD_NAMES } from './moods.js'
import { randomFrom } from './random.js'
import { SAMPLE_RATE, synthesise, type Stereo } from './synth.js'

Log.setLevel(av.AV_LOG_ERROR)

const tone = (frequency: number, seconds: number, amplitude: number): Stereo => {
  const wave = Float32Array.from(
    { length: Math.round(seconds * SAMPLE_RATE) },
    (_, i) => amplitude * Math.sin((2 * Math.PI * frequency * i) / SAMPLE_RATE),
  )
  return { left: wave, right: wave.slice() }
}

describe('the composer', () => {
  test('ends on the tonic at any length, stays inside it, and keeps every note on the grid of half beats', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...MOOD_NAMES),
        fc.double({ min: 1, max: 400, noNaN: true }),
        fc.integer(),
        (mood, seconds, seed) => {
          const song = compose(mood, seconds, seed)
          const half = 30 / MOODS[mood].bpm
          for (const note of song.notes) {
            expect(Math.abs(note.at / half - Math.round(note.at / half))).toBeLessThan(1e-6)
            expect(note.at + note.length).toBeLessThanOrEqual(seconds + 1e-9)
            expect(Math.abs(note.shift)).toBeLessThanOrEqual(0.012)
          }
          const last = song.notes.filter(n => n.at >= song.finalAt - 1e-9)
          expect(last.length).toBeGreaterThanOrEqual(9)
          for (const note of last) expect(tonicTriad(mood)).toContain(note.pitch % 12)
          expect(last.find(n => n.instrument === 'bass')?.pitch).toBe(MOODS[mood].root - 24)
        },
      ),
      { numRuns: 40 },
    )
  })

  test('gives the same piece for the same seed and another for another', () => {
    expect(compose('uplifting', 30, 5)).toEqual(compose('uplifting', 30, 5))
    expect(compose('uplifting', 30, 5)).not.toEqual(compose('uplifting', 30, 6))
  })
})

describe('the synthesiser', () => {
  test.each(MOOD_NAMES)('plays %s: exact length, audible throughout, fades out, not bass-heavy', mood => {
    const sound = synthesise(compose(mood, 20.5, 3))
    expect(sound.left.length).toBe(20.5 * SAMPLE_RATE)
    for (let s = 0; s < 19; s++)
      expect(rms(sound.left.subarray(s * SAMPLE_RATE, (s + 1) * SAMPLE_RATE))).toBeGreaterThan(0.005)
    expect(Math.abs(sound.left.at(-1) ?? 1)).toBeLessThan(1e-3)
    // The prototype, found bass-heavy, had 0.2 to 0.9 % of its energy above 800 Hz by this measure; ours has 3 to 4.6 %.
    expect(shareAbove(sound.left, 800)).toBeGreaterThan(0.02)
  })

  test('is deterministic', () => {
    const twice = [0, 1].map(() => Buffer.from(synthesise(compose('playful', 6, 1)).left.buffer))
    expect(Buffer.compare(twice[0]!, twice[1]!)).toBe(0)
  })
})

describe('loudness', () => {
  test('a 997 Hz sine at 0 dBFS in one channel measures -3.01 LUFS (BS.1770-4)', () => {
    const sine = tone(997, 5, 1)
    expect(integratedLufs({ left: sine.left, right: new Float32Array(sine.left.length) })).toBeCloseTo(-3.01, 1)
  })

  test('silence between sounds does not count', () => {
    const loud = tone(1000, 5, 0.2)
    const gaps = { left: new Float32Array(15 * SAMPLE_RATE), right: new Float32Array(15 * SAMPLE_RATE) }
    gaps.left.set(loud.left)
    gaps.right.set(loud.right)
    expect(integratedLufs(gaps)).toBeCloseTo(integratedLufs(loud), 0)
    expect(integratedLufs({ left: new Float32Array(SAMPLE_RATE), right: new Float32Array(SAMPLE_RATE) })).toBe(-70)
  })

  test('a peak between samples is seen', () => {
    const at = Float32Array.from({ length: 4800 }, (_, i) => Math.sin((Math.PI / 2) * i + Math.PI / 4))
    expect(truePeakDb({ left: at, right: at })).toBeGreaterThan(-0.5)
    expect(Math.max(...at)).toBeLessThan(0.71)
  })

  test('agrees with FFmpeg ebur128 on music, within 0.1 LU and 0.3 dB', async () => {
    const sound = synthesise(compose('uplifting', 12, 2))
    const peer = await ebur128(sound)
    expect(Math.abs(integratedLufs(sound) - peer.lufs)).toBeLessThan(0.1)
    expect(Math.abs(truePeakDb(sound) - peer.truePeakDb)).toBeLessThan(0.3)
  })

  test.each([0.004, 0.1, 3])('brings sound of any level (%f) to -14 LUFS and under the ceiling', level => {
    const sound = synthesise(compose('playful', 10, 1))
    for (const channel of [sound.left, sound.right]) for (let i = 0; i < channel.length; i++) channel[i]! *= level
    const after = normaliseLoudness(sound)
    expect(after.lufs).toBeCloseTo(-14, 0)
    expect(after.truePeakDb).toBeLessThanOrEqual(-1.9)
  })

  test('the limiter never lets a peak through', () => {
    fc.assert(
      fc.property(fc.integer(), seed => {
        const random = randomFrom(seed)
        const bursts = Float32Array.from({ length: 9600 }, () =>
          random() < 0.01 ? random() * 8 - 4 : random() * 0.2 - 0.1,
        )
        const sound = { left: bursts, right: bursts.slice() }
        limit(sound, 0.8)
        expect(truePeakDb(sound)).toBeLessThanOrEqual(20 * Math.log10(0.8) + 0.5)
      }),
      { numRuns: 20 },
    )
  })
})

describe('the mix', () => {
  const music = tone(200, 6, 0.1)

  test('music steps back 9 dB under a clip and returns', () => {
    const mixed = mix(music, [{ sound: tone(3000, 1.2, 0.05), atS: 2, lengthS: 1.2 }], 6)
    const level = (from: number): number =>
      20 * Math.log10(amplitude(mixed.left.subarray(from * SAMPLE_RATE, (from + 0.5) * SAMPLE_RATE), 200) / 0.1)
    expect(level(0.5)).toBeCloseTo(0, 1)
    expect(level(2.3)).toBeCloseTo(-9, 0)
    expect(level(4)).toBeCloseTo(0, 1)
  })

  test('a silent clip neither ducks the music nor is raised', () => {
    const mixed = mix(music, [{ sound: tone(3000, 1, 0.0001), atS: 2, lengthS: 1 }], 6)
    expect(Buffer.compare(Buffer.from(mixed.left.buffer), Buffer.from(music.left.buffer))).toBe(0)
  })

  test('without music the clips stand alone', () => {
    const mixed = mix(undefined, [{ sound: tone(3000, 1, 0.05), atS: 1, lengthS: 1 }], 3)
    expect(rms(mixed.left.subarray(0, SAMPLE_RATE))).toBe(0)
    expect(rms(mixed.left.subarray(1.2 * SAMPLE_RATE, 1.8 * SAMPLE_RATE))).toBeGreaterThan(0.05)
  })
})

function rms(samples: Float32Array): number {
  return Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length)
}

function amplitude(samples: Float32Array, frequency: number): number {
  let re = 0
  let im = 0
  for (const [i, s] of samples.entries()) {
    re += s * Math.cos((2 * Math.PI * frequency * i) / SAMPLE_RATE)
    im += s * Math.sin((2 * Math.PI * frequency * i) / SAMPLE_RATE)
  }
  return (2 * Math.hypot(re, im)) / samples.length
}

/** Share of the energy above a frequency, by a first-order high-pass run four times. */
function shareAbove(samples: Float32Array, frequency: number): number {
  const a = Math.exp((-2 * Math.PI * frequency) / SAMPLE_RATE)
  let high = samples
  for (let round = 0; round < 4; round++) {
    let low = 0
    high = high.map(s => {
      low = (1 - a) * s + a * low
      return s - low
    })
  }
  return (rms(high) / rms(samples)) ** 2
}

async function ebur128(sound: Stereo): Promise<{ lufs: number; truePeakDb: number }> {
  const graph = new FilterGraph()
  graph.alloc()
  graph.parse2(
    `abuffer=sample_rate=${SAMPLE_RATE}:sample_fmt=fltp:channel_layout=stereo:time_base=1/${SAMPLE_RATE},ebur128=peak=true:metadata=1,abuffersink`,
  )
  await graph.config()
  const find = (name: string) => graph.filters?.find(f => f.filter?.name === name)
  const planar = new Float32Array(sound.left.length * 2)
  planar.set(sound.left)
  planar.set(sound.right, sound.left.length)
  const input = Frame.fromAudioBuffer(Buffer.from(planar.buffer), {
    nbSamples: sound.left.length,
    format: av.AV_SAMPLE_FMT_FLTP,
    sampleRate: SAMPLE_RATE,
    channelLayout: av.AV_CHANNEL_LAYOUT_STEREO,
    timeBase: new Rational(1, SAMPLE_RATE),
    pts: 0n,
  })
  await find('abuffer')?.buffersrcAddFrame(input)
  await find('abuffer')?.buffersrcAddFrame(null)
  const frame = new Frame()
  frame.alloc()
  let lufs = -70
  let peak = 0
  while (((await find('abuffersink')?.buffersinkGetFrame(frame)) ?? -1) >= 0) {
    const metadata = frame.getMetadata()
    lufs = Number(metadata.get('lavfi.r128.I') ?? lufs)
    for (const channel of [0, 1]) peak = Math.max(peak, Number(metadata.get(`lavfi.r128.true_peaks_ch${channel}`) ?? 0))
    frame.unref()
  }
  graph.free()
  return { lufs, truePeakDb: 20 * Math.log10(peak) }
}
