/** Loudness and true peak after ITU-R BS.1770-4, and the gain and limiter that bring a film to -14 LUFS. Pure. */
import { runBiquad, type Biquad } from './biquad.js'
import { SAMPLE_RATE, type Stereo } from './synth.js'

/** YouTube turns down what is louder than this and never turns up; Apple Music plays at about -16. */
export const TARGET_LUFS = -14
/** Before AAC: its decoder overshoots by some tenths of a decibel, and the finished film must stay at or under -1 dBTP. */
const CEILING_DBTP = -2
const SILENT_LUFS = -70
/** Samples in a millisecond, the grain of peaks and of the limiter. */
const STEP = Math.round(SAMPLE_RATE / 1000)

/** K-weighting at 48 kHz: head shelf and high-pass (BS.1770-4, annex 1, tables 1 and 2). */
const HEAD: Biquad = {
  b0: 1.53512485958697,
  b1: -2.69169618940638,
  b2: 1.19839281085285,
  a1: -1.69065929318241,
  a2: 0.73248077421585,
}
const RLB: Biquad = { b0: 1, b1: -2, b2: 1, a1: -1.99004745483398, a2: 0.99007225036621 }

/** Phases 0 and 1 of the interpolator of BS.1770-4, annex 2, table 2; phases 2 and 3 are these reversed (1 and 0). */
const PHASES = [
  [
    0.001708984375, 0.010986328125, -0.0196533203125, 0.033203125, -0.0594482421875, 0.1373291015625, 0.97216796875,
    -0.102294921875, 0.047607421875, -0.026611328125, 0.014892578125, -0.00830078125,
  ],
  [
    -0.0291748046875, 0.029296875, -0.0517578125, 0.089111328125, -0.16650390625, 0.465087890625, 0.77978515625,
    -0.2003173828125, 0.1015625, -0.0582275390625, 0.0330810546875, -0.0189208984375,
  ],
] as const

/** Integrated loudness in LUFS; -70 for silence or less than one 400 ms block. */
export function integratedLufs({ left, right }: Stereo): number {
  const block = Math.round(0.4 * SAMPLE_RATE)
  const hop = Math.round(0.1 * SAMPLE_RATE)
  const energy = hopEnergies(left, hop)
  for (const [i, e] of hopEnergies(right, hop).entries()) energy[i]! += e
  const perBlock = block / hop
  const powers: number[] = []
  for (let i = 0; i + perBlock <= energy.length; i++) {
    let sum = 0
    for (let k = 0; k < perBlock; k++) sum += energy[i + k]!
    powers.push(sum / block)
  }
  const audible = powers.filter(p => lufs(p) > SILENT_LUFS)
  if (audible.length === 0) return SILENT_LUFS
  const gate = lufs(mean(audible)) - 10
  return Math.max(SILENT_LUFS, lufs(mean(audible.filter(p => lufs(p) > gate))))
}

/** Highest absolute value of the four-times oversampled signal, in dBTP; -Infinity for digital silence. */
export function truePeakDb({ left, right }: Stereo): number {
  let highest = 0
  for (const channel of [left, right])
    for (let i = 0; i < channel.length; i++) highest = Math.max(highest, Math.abs(channel[i]!))
  for (const channel of [left, right])
    highest = Math.max(highest, ...chunkMax(oversampledPeaks(channel, STEP, highest)))
  return 20 * Math.log10(highest)
}

/** Brings sound to -14 LUFS in place with one gain and a look-ahead limiter; silence is left alone. Returns what came out. */
export function normaliseLoudness(sound: Stereo): { lufs: number; truePeakDb: number } {
  // The limiter takes some loudness away, so the gain is corrected until the target is met to a tenth.
  for (let round = 0; round < 4; round++) {
    const before = integratedLufs(sound)
    if (before <= SILENT_LUFS) break
    const gain = 10 ** ((TARGET_LUFS - before) / 20)
    for (const channel of [sound.left, sound.right]) for (let i = 0; i < channel.length; i++) channel[i]! *= gain
    limit(sound, 10 ** (CEILING_DBTP / 20))
    if (Math.abs(TARGET_LUFS - integratedLufs(sound)) < 0.1) break
  }
  return { lufs: integratedLufs(sound), truePeakDb: truePeakDb(sound) }
}

/** Loudness of one 1 ms step to the next follows the loudest peak of the 5 ms around it, smoothed: no clicks, no clipping. */
export function limit({ left, right }: Stereo, ceiling: number): void {
  const step = STEP
  const reach = 5
  const peaksLeft = oversampledPeaks(left, step, ceiling)
  const peaks = oversampledPeaks(right, step, ceiling).map((p, i) => Math.max(p, peaksLeft[i] ?? 0))
  if (Math.max(0, ...chunkMax(peaks)) <= ceiling) return
  const wanted = peaks.map(p => (p > ceiling ? ceiling / p : 1))
  const held = wanted.map((_, i) => Math.min(...wanted.slice(Math.max(0, i - reach), i + reach + 1)))
  // A mean over the same reach never rises above the held minimum it was made from.
  const gain = held.map((_, i) => mean(held.slice(Math.max(0, i - reach + 1), i + reach)))
  for (let i = 0; i < left.length; i++) {
    const at = i / step - 0.5
    const k = Math.max(0, Math.floor(at))
    const a = gain[k] ?? 1
    const b = gain[k + 1] ?? a
    const g = a + (b - a) * Math.min(1, Math.max(0, at - k))
    left[i]! *= g
    right[i]! *= g
  }
}

/** Energy of the K-weighted signal in each whole hop. */
function hopEnergies(channel: Float32Array, hop: number): Float64Array {
  const weighted = new Float64Array(channel)
  runBiquad(weighted, HEAD)
  runBiquad(weighted, RLB)
  const sums = new Float64Array(Math.floor(weighted.length / hop))
  for (let h = 0; h < sums.length; h++) {
    let sum = 0
    for (let i = h * hop; i < (h + 1) * hop; i++) sum += weighted[i]! * weighted[i]!
    sums[h] = sum
  }
  return sums
}

/**
 * Highest oversampled absolute value of every `step` samples. Stretches that cannot reach `floor` between samples (no phase adds up to more than
 * its input) are given by their samples alone: most of any music, and most of the time.
 */
function oversampledPeaks(channel: Float32Array, step: number, floor: number): number[] {
  const taps = PHASES[0].length
  const [p0, p1] = PHASES.map(phase => Float64Array.from(phase)) as [Float64Array, Float64Array]
  const padded = new Float64Array(channel.length + taps - 1)
  padded.set(channel, taps - 1)
  const peaks: number[] = []
  for (let from = 0; from < channel.length; from += step) {
    const to = Math.min(channel.length, from + step)
    let near = 0
    for (let i = from; i < to + taps - 1; i++) near = Math.max(near, Math.abs(padded[i]!))
    let peak = 0
    for (let i = from; i < to; i++) peak = Math.max(peak, Math.abs(padded[i + taps - 1]!))
    if (near * 2.1 > floor) {
      for (let i = from; i < to; i++) {
        let a = 0
        let b = 0
        let c = 0
        let d = 0
        for (let k = 0; k < taps; k++) {
          const x = padded[i + taps - 1 - k]!
          a += p0[k]! * x
          b += p1[k]! * x
          c += p1[taps - 1 - k]! * x
          d += p0[taps - 1 - k]! * x
        }
        peak = Math.max(peak, Math.abs(a), Math.abs(b), Math.abs(c), Math.abs(d))
      }
    }
    peaks.push(peak)
  }
  return peaks.length > 0 ? peaks : [0]
}

const lufs = (power: number): number => -0.691 + 10 * Math.log10(Math.max(power, 1e-12))
const mean = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0) / Math.max(1, values.length)

/** Maxima of pieces short enough to spread into Math.max. */
function chunkMax(values: readonly number[]): number[] {
  const out: number[] = []
  for (let i = 0; i < values.length; i += 10_000) out.push(Math.max(...values.slice(i, i + 10_000)))
  return out
}
