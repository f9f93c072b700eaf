/** Music and the clips' own sound become one track. Pure. */
import { integratedLufs } from './loudness.js'
import { SAMPLE_RATE, type Stereo } from './synth.js'

/** Sound of a clip and where it belongs. */
export interface ClipSound {
  sound: Stereo
  /** Seconds in the film. */
  atS: number
  /** Seconds it is heard. */
  lengthS: number
}

/** The design asks for 8 to 10 dB of ducking under clips with speech. */
const DUCK_DB = -9
/** A clip is heard at this loudness before the film is normalised; music lies around -18 LUFS. */
const CLIP_LUFS = -17
/** Quieter clips are room noise: not worth raising, not worth ducking for. */
const AUDIBLE_LUFS = -50
const MOST_GAIN_DB = 18
const RAMP_S = 0.12
const FADE_S = 0.05

const linear = (db: number): number => 10 ** (db / 20)

/** Mixes into a new track of `seconds`. Without music the clips stand alone. */
export function mix(music: Stereo | undefined, clips: readonly ClipSound[], seconds: number): Stereo {
  const samples = Math.round(seconds * SAMPLE_RATE)
  const heard = clips.flatMap(clip => {
    const loud = loudnessOf(clip.sound)
    return loud > AUDIBLE_LUFS ? [{ ...clip, gain: linear(Math.min(MOST_GAIN_DB, CLIP_LUFS - loud)) }] : []
  })
  const duck = duckCurve(heard, samples)
  const track: Stereo = { left: new Float32Array(samples), right: new Float32Array(samples) }
  for (const side of ['left', 'right'] as const) {
    const out = track[side]
    const source = music?.[side]
    if (source) for (let i = 0; i < samples; i++) out[i] = (source[i] ?? 0) * duck[i]!
    for (const clip of heard) addClip(out, clip.sound[side], clip)
  }
  return track
}

/** Clips of a second are shorter than three gating blocks need to be: they are repeated for measuring. */
function loudnessOf(sound: Stereo): number {
  const enough = Math.round(0.5 * SAMPLE_RATE)
  if (sound.left.length >= enough || sound.left.length === 0) return integratedLufs(sound)
  const times = Math.ceil(enough / sound.left.length)
  const repeat = (c: Float32Array): Float32Array =>
    Float32Array.from({ length: c.length * times }, (_, i) => c[i % c.length] ?? 0)
  return integratedLufs({ left: repeat(sound.left), right: repeat(sound.right) })
}

/** Gain of the music at each sample: down before a clip begins, up after it ends. Clips next to each other keep it down. */
function duckCurve(clips: readonly { atS: number; lengthS: number }[], samples: number): Float32Array {
  const depth = 1 - linear(DUCK_DB)
  const ramp = RAMP_S * SAMPLE_RATE
  const curve = new Float32Array(samples).fill(1)
  for (const clip of clips) {
    const from = clip.atS * SAMPLE_RATE
    const to = (clip.atS + clip.lengthS) * SAMPLE_RATE
    for (let i = Math.max(0, Math.floor(from - ramp)); i < Math.min(samples, to + ramp); i++) {
      const into = Math.min(1, (i - (from - ramp)) / ramp, (to + ramp - i) / ramp)
      curve[i] = Math.min(curve[i]!, 1 - depth * Math.max(0, into))
    }
  }
  return curve
}

function addClip(out: Float32Array, sound: Float32Array, clip: { atS: number; lengthS: number; gain: number }): void {
  const start = Math.round(clip.atS * SAMPLE_RATE)
  const count = Math.min(sound.length, Math.round(clip.lengthS * SAMPLE_RATE), out.length - start)
  const fade = FADE_S * SAMPLE_RATE
  for (let i = 0; i < count; i++) {
    out[start + i]! += sound[i]! * clip.gain * Math.min(1, i / fade, (count - i) / fade)
  }
}
