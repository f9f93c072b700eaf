/** A procedural composer: mood, length and seed to notes on an exact beat grid. Pure. The music is ours: nothing to attribute. */
import { MOODS, type Mood, type MoodSpec } from './moods.js'
import { randomFrom } from './random.js'

/** What plays a note. */
export type Instrument = 'piano' | 'pad' | 'bass' | 'pluck' | 'bell' | 'kick' | 'snare' | 'hat' | 'shaker' | 'tom'

/** One note. Times in seconds. */
export interface Note {
  instrument: Instrument
  /** On the grid of half beats. */
  at: number
  /** A human's lateness in seconds, at most 0.012 either way; drums stay on the grid. */
  shift: number
  length: number
  /** MIDI number; drums ignore it. */
  pitch: number
  /** 0..1 */
  velocity: number
}

/** A whole piece. */
export interface Song {
  bpm: number
  /** Seconds; the last chord rings until here. */
  seconds: number
  /** Beat times, seconds. */
  beats: number[]
  /** When the closing tonic chord begins, seconds. */
  finalAt: number
  notes: Note[]
}

const SCALES = { major: [0, 2, 4, 5, 7, 9, 11], minor: [0, 2, 3, 5, 7, 8, 10] } as const
const BAR_BEATS = 4
const HUMAN_S = 0.012
const DRUMS: ReadonlySet<Instrument> = new Set(['kick', 'snare', 'hat', 'shaker', 'tom'])

/** Pitch classes (0..11) of the tonic triad of a mood. */
export function tonicTriad(mood: Mood): number[] {
  const spec = MOODS[mood]
  return [0, 2, 4].map(degree => pitch(spec, degree) % 12)
}

/**
 * Writes a piece of exactly `seconds`. Whole bars follow the progression, what is left over becomes a bar of the dominant, and the
 * last four beats (fewer in a very short piece) are the tonic.
 */
export function compose(mood: Mood, seconds: number, seed: number): Song {
  const spec = MOODS[mood]
  const random = randomFrom(seed)
  const beatS = 60 / spec.bpm
  const beats = Math.max(1, Math.floor(seconds / beatS + 1e-6))
  const finalBeats = Math.min(BAR_BEATS, beats)
  const bodyBeats = beats - finalBeats
  const finalAt = bodyBeats * beatS
  const notes: Note[] = []
  const add = (instrument: Instrument, at: number, length: number, p: number, velocity: number): void => {
    const shift = DRUMS.has(instrument) || instrument === 'bass' ? 0 : (random() * 2 - 1) * HUMAN_S
    const level = Math.min(1, velocity * (0.94 + 0.12 * random()))
    notes.push({ instrument, at, shift, length: Math.min(length, seconds - at), pitch: p, velocity: level })
  }
  const motif = Array.from({ length: 8 }, () => Math.floor(random() * 5))
  const bars = Math.floor(bodyBeats / BAR_BEATS)
  for (let bar = 0; bar < bars; bar++) {
    const energy = bar < Math.min(2, bars / 4) ? 0 : bar < bars / 2 ? 1 : 2
    const degree = spec.progression[bar % spec.progression.length] ?? 0
    writeBar({ spec, add, random, motif, at: bar * BAR_BEATS * beatS, beats: BAR_BEATS, beatS, degree, energy, bar })
  }
  const rest = bodyBeats - bars * BAR_BEATS
  if (rest > 0) {
    const at = bars * BAR_BEATS * beatS
    writeBar({ spec, add, random, motif, at, beats: rest, beatS, degree: 4, energy: Math.min(1, bars), bar: bars })
  }
  writeFinal(spec, add, finalAt, seconds - finalAt, beatS)
  return { bpm: spec.bpm, seconds, beats: Array.from({ length: beats }, (_, k) => k * beatS), finalAt, notes }
}

type Add = (instrument: Instrument, at: number, length: number, pitch: number, velocity: number) => void

interface Bar {
  spec: MoodSpec
  add: Add
  random: () => number
  motif: readonly number[]
  at: number
  beats: number
  beatS: number
  degree: number
  /** 0 quiet, 1 with bass and drums, 2 everything. */
  energy: number
  bar: number
}

function pitch(spec: MoodSpec, degree: number, octave = 0): number {
  const scale = SCALES[spec.mode]
  const step = scale[((degree % 7) + 7) % 7] ?? 0
  return spec.root + 12 * (octave + Math.floor(degree / 7)) + step
}

function writeBar(bar: Bar): void {
  const { spec, add, random, motif, at, beats, beatS, degree, energy } = bar
  for (const k of [0, 2, 4]) add('pad', at, beats * beatS, pitch(spec, degree + k), 0.5)
  const arpeggio = [0, 2, 4, 7, 4, 9, 4, 2]
  for (let eighth = 0; eighth < beats * 2; eighth++) {
    const k = arpeggio[eighth % 8] ?? 0
    const accent = eighth % 4 === 0 ? 0.2 : eighth % 2 === 0 ? 0.1 : 0
    add('piano', at + (eighth * beatS) / 2, beatS * 0.9, pitch(spec, degree + k), 0.45 + accent)
  }
  if (bar.bar % 2 === 1 || energy > 1) {
    for (let q = 0; q < beats; q++)
      if (random() < 0.55) add('bell', at + q * beatS, beatS, pitch(spec, degree + (motif[q] ?? 0), 1), 0.4)
  }
  if (energy > 0) {
    for (let q = 0; q < beats; q += 2)
      add('bass', at + q * beatS, Math.min(2, beats - q) * beatS * 0.95, pitch(spec, degree, -2), q === 0 ? 0.75 : 0.6)
    writeDrums(bar)
  }
  if (energy > 1) {
    for (let eighth = 0; eighth < beats * 2; eighth++) {
      if (random() < 0.5)
        add('pluck', at + (eighth * beatS) / 2, beatS * 0.5, pitch(spec, degree + (motif[eighth % 8] ?? 0), 1), 0.5)
    }
  }
}

function writeDrums({ spec, add, at, beats, beatS }: Bar): void {
  if (spec.drums === 'none') {
    for (let eighth = 0; eighth < beats * 2; eighth++)
      add('shaker', at + (eighth * beatS) / 2, 0.06, 0, eighth % 2 === 0 ? 0.22 : 0.14)
    return
  }
  for (let q = 0; q < beats; q++) {
    const t = at + q * beatS
    if (spec.drums === 'four' || q % 2 === 0) add('kick', t, 0.28, 36, spec.drums === 'brushed' ? 0.6 : 0.8)
    if (spec.drums === 'toms') add('tom', t + beatS / 2, 0.25, q % 2 === 0 ? 45 : 41, 0.5)
    else if (q % 2 === 1) add('snare', t, 0.2, 38, spec.drums === 'brushed' ? 0.35 : 0.55)
    for (let half = 0; half < 2; half++)
      add(half === 0 ? 'hat' : 'shaker', t + (half * beatS) / 2, 0.06, 42, half === 0 ? 0.42 : 0.3)
  }
}

/** The closing chord: tonic in the bass, its triad spread above, a bell on top; everything rings to the end. */
function writeFinal(spec: MoodSpec, add: Add, at: number, length: number, beatS: number): void {
  add('bass', at, length, pitch(spec, 0, -2), 0.75)
  for (const k of [0, 2, 4]) add('pad', at, length, pitch(spec, k), 0.5)
  for (const [i, k] of [0, 4, 7, 9, 14].entries()) add('piano', at, length, pitch(spec, k), 0.65 - 0.04 * i)
  if (length > 2 * beatS) add('bell', at + beatS, length - beatS, pitch(spec, 7, 1), 0.4)
}
