/** A soft synthesiser in plain TypeScript: additive piano and bell, filtered saw pad, bass, plucked string, drums, reverb. Pure. */
import type { Note, Song } from './compose.js'
import { randomFrom } from './random.js'
import { highShelf, highPass, lowShelf, runBiquad } from './biquad.js'

/** Samples a second of everything we make. */
export const SAMPLE_RATE = 48_000

/** Two channels of floats, nominally -1..1. */
export interface Stereo {
  left: Float32Array
  right: Float32Array
}

const hertz = (pitch: number): number => 440 * 2 ** ((pitch - 69) / 12)

interface Bus extends Stereo {
  /** What goes to the reverb. */
  send: Float32Array
}

/** Renders a song to exactly `song.seconds` (rounded to a sample); the end fades over the last 0.4 s. */
export function synthesise(song: Song): Stereo {
  const samples = Math.round(song.seconds * SAMPLE_RATE)
  const bus: Bus = {
    left: new Float32Array(samples),
    right: new Float32Array(samples),
    send: new Float32Array(samples),
  }
  const noise = randomFrom(7)
  for (const note of song.notes) {
    const start = Math.max(0, Math.round((note.at + note.shift) * SAMPLE_RATE))
    if (start < samples) play(bus, note, start, noise)
  }
  reverb(bus.left, bus.send, 0)
  reverb(bus.right, bus.send, 23)
  for (const channel of [bus.left, bus.right]) master(channel)
  return { left: bus.left, right: bus.right }
}

function play(bus: Bus, note: Note, start: number, noise: () => number): void {
  switch (note.instrument) {
    case 'piano':
      return partials(bus, note, start, {
        gain: 0.15,
        release: 0.6,
        pan: 0.5 + 0.28 * Math.sin(note.pitch),
        send: 0.3,
        count: 9,
        slope: 1.15,
        decay: 1.1,
        stretch: 3e-4,
      })
    case 'bell':
      return partials(bus, note, start, {
        gain: 0.1,
        release: 1.2,
        pan: 0.35,
        send: 0.7,
        count: 5,
        slope: 0.9,
        decay: 2.2,
        stretch: 9e-3,
      })
    case 'pad':
      return pad(bus, note, start)
    case 'bass':
      return bass(bus, note, start)
    case 'pluck':
      return pluck(bus, note, start, noise)
    case 'kick':
      return drop(bus, note, start, 48, 95, 38, 14, 0.42)
    case 'tom':
      return drop(bus, note, start, hertz(note.pitch) * 0.9, 60, 22, 9, 0.34)
    case 'snare':
      return hiss(bus, note, start, noise, { seconds: 0.18, decay: 24, tone: 0.4, gain: 0.2, send: 0.3 })
    case 'hat':
      return hiss(bus, note, start, noise, { seconds: 0.06, decay: 65, tone: 0, gain: 0.24, send: 0.05 })
    case 'shaker':
      return hiss(bus, note, start, noise, { seconds: 0.08, decay: 45, tone: 0, gain: 0.18, send: 0.1 })
  }
}

interface PartialsVoice {
  gain: number
  release: number
  pan: number
  send: number
  count: number
  /** Partial h has amplitude h^-slope. */
  slope: number
  decay: number
  /** Inharmonicity: partial h lies at h * sqrt(1 + stretch * h * h). */
  stretch: number
}

function partials(bus: Bus, note: Note, start: number, voice: PartialsVoice): void {
  const f = hertz(note.pitch)
  const held = Math.round(note.length * SAMPLE_RATE)
  const release = voice.release * SAMPLE_RATE
  const count = Math.min(bus.left.length - start, Math.round(held + release))
  const gainLeft = Math.sqrt(1 - voice.pan)
  const gainRight = Math.sqrt(voice.pan)
  for (let h = 1; h <= voice.count; h++) {
    const partial = f * h * Math.sqrt(1 + voice.stretch * h * h)
    if (partial > 18_000) break
    const w = (2 * Math.PI * partial) / SAMPLE_RATE
    const step = 2 * Math.cos(w)
    const decay = Math.exp(-(voice.decay + 0.6 * h + f / 900) / SAMPLE_RATE)
    let envelope = (note.velocity * voice.gain) / h ** voice.slope
    let y1 = Math.sin(-w)
    let y2 = Math.sin(-2 * w)
    for (let k = 0; k < count; k++) {
      const y = step * y1 - y2
      y2 = y1
      y1 = y
      let g = envelope * y
      if (k < 120) g *= k / 120
      if (k > held) g *= Math.max(0, 1 - (k - held) / release)
      envelope *= decay
      const at = start + k
      bus.left[at]! += g * gainLeft
      bus.right[at]! += g * gainRight
      bus.send[at]! += g * voice.send
    }
  }
}

function pad(bus: Bus, note: Note, start: number): void {
  const f = hertz(note.pitch)
  const held = Math.round(note.length * SAMPLE_RATE)
  const release = 0.8 * SAMPLE_RATE
  const count = Math.min(bus.left.length - start, Math.round(held + release))
  for (const detune of [-0.07, 0.05, 0]) {
    let phase = (((note.pitch * 0.37 + detune * 3) % 1) + 1) % 1
    const step = (f * 2 ** (detune / 12)) / SAMPLE_RATE
    const left = detune < 0 ? 1 : 0.6
    const right = detune > 0 ? 1 : 0.6
    let low1 = 0
    let low2 = 0
    for (let k = 0; k < count; k++) {
      phase += step
      if (phase > 1) phase -= 1
      const cut = 0.075 + 0.045 * Math.sin((k / SAMPLE_RATE) * 1.3)
      low1 += cut * (2 * phase - 1 - low1)
      low2 += cut * (low1 - low2)
      let g = low2 * note.velocity * 0.085 * Math.min(1, k / (SAMPLE_RATE * 0.5))
      if (k > held) g *= Math.max(0, 1 - (k - held) / release)
      const at = start + k
      bus.left[at]! += g * left
      bus.right[at]! += g * right
      bus.send[at]! += g * 0.5
    }
  }
}

function bass(bus: Bus, note: Note, start: number): void {
  const w = (2 * Math.PI * hertz(note.pitch)) / SAMPLE_RATE
  const held = Math.round(note.length * SAMPLE_RATE)
  const release = 0.15 * SAMPLE_RATE
  const count = Math.min(bus.left.length - start, Math.round(held + release))
  for (let k = 0; k < count; k++) {
    const fade = k > held ? Math.max(0, 1 - (k - held) / release) : 1
    const envelope = Math.min(1, k / 300) * Math.exp((-k / SAMPLE_RATE) * 1.2) * fade
    const g =
      Math.tanh(1.5 * Math.sin(w * k) + 0.45 * Math.sin(2 * w * k) + 0.2 * Math.sin(3 * w * k)) *
      envelope *
      note.velocity *
      0.13
    bus.left[start + k]! += g
    bus.right[start + k]! += g
  }
}

/** Karplus-Strong: a burst of noise in a delay line that loses its edges. */
function pluck(bus: Bus, note: Note, start: number, noise: () => number): void {
  const period = Math.max(2, Math.round(SAMPLE_RATE / hertz(note.pitch)))
  const line = Float32Array.from({ length: period }, () => noise() * 2 - 1)
  const held = Math.round(note.length * SAMPLE_RATE)
  const release = 0.5 * SAMPLE_RATE
  const count = Math.min(bus.left.length - start, Math.round(held + release))
  let p = 0
  let last = 0
  for (let k = 0; k < count; k++) {
    const y = line[p]!
    line[p] = 0.498 * (y + last)
    last = y
    p = p + 1 === period ? 0 : p + 1
    let g = y * note.velocity * 0.15
    if (k > held) g *= Math.max(0, 1 - (k - held) / release)
    bus.left[start + k]! += g * 0.55
    bus.right[start + k]! += g * 0.84
    bus.send[start + k]! += g * 0.4
  }
}

/** A falling sine: kick and toms. */
function drop(
  bus: Bus,
  note: Note,
  start: number,
  low: number,
  fall: number,
  speed: number,
  decay: number,
  gain: number,
): void {
  const count = Math.min(bus.left.length - start, Math.round(SAMPLE_RATE * 0.3))
  let phase = 0
  for (let k = 0; k < count; k++) {
    const t = k / SAMPLE_RATE
    phase += (2 * Math.PI * (low + fall * Math.exp(-t * speed))) / SAMPLE_RATE
    const g = Math.sin(phase) * Math.exp(-t * decay) * note.velocity * gain
    bus.left[start + k]! += g
    bus.right[start + k]! += g
  }
}

function hiss(
  bus: Bus,
  note: Note,
  start: number,
  noise: () => number,
  voice: { seconds: number; decay: number; tone: number; gain: number; send: number },
): void {
  const count = Math.min(bus.left.length - start, Math.round(SAMPLE_RATE * voice.seconds))
  let high = 0
  let before = 0
  for (let k = 0; k < count; k++) {
    const white = noise() * 2 - 1
    high = 0.85 * (high + white - before)
    before = white
    const t = k / SAMPLE_RATE
    const tone = voice.tone * Math.sin(2 * Math.PI * 190 * t)
    const g = (high * (1 - voice.tone) + tone) * Math.exp(-t * voice.decay) * note.velocity * voice.gain
    bus.left[start + k]! += g * 0.9
    bus.right[start + k]! += g
    bus.send[start + k]! += g * voice.send
  }
}

/** Schroeder-Moorer reverb: six damped combs, three all-passes (delays in samples at 48 kHz). */
function reverb(out: Float32Array, send: Float32Array, spread: number): void {
  const combs = [1557, 1617, 1491, 1422, 1277, 1356].map(d => ({ line: new Float32Array(d + spread), at: 0, low: 0 }))
  const passes = [225, 556, 441].map(d => ({ line: new Float32Array(d + spread), at: 0 }))
  for (let k = 0; k < out.length; k++) {
    const x = send[k]! * 0.12
    let y = 0
    for (const comb of combs) {
      const echo = comb.line[comb.at]!
      comb.low = echo * 0.8 + comb.low * 0.2
      comb.line[comb.at] = x + comb.low * 0.84
      if (++comb.at === comb.line.length) comb.at = 0
      y += echo
    }
    for (const pass of passes) {
      const echo = pass.line[pass.at]!
      pass.line[pass.at] = y + echo * 0.5
      y = echo - y * 0.5
      if (++pass.at === pass.line.length) pass.at = 0
    }
    out[k]! += y
  }
}

/** The prototype was bass-heavy: rumble off, low end 3 dB down, 4 dB of air, a soft ceiling, and a closing fade. */
function master(channel: Float32Array): void {
  runBiquad(channel, highPass(35, 0.707, SAMPLE_RATE))
  runBiquad(channel, lowShelf(160, -3, SAMPLE_RATE))
  runBiquad(channel, highShelf(3500, 4, SAMPLE_RATE))
  const fade = Math.min(channel.length, Math.round(0.4 * SAMPLE_RATE))
  for (let k = 0; k < channel.length; k++) {
    const left = channel.length - k
    channel[k] = Math.tanh(channel[k]! * 1.1) * (left < fade ? left / fade : 1)
  }
}
