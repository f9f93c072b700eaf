/** Moods: what a word means for tempo, harmony and drums. The composer and the plan share them. */

/** Moods a parent can ask for. */
export const MOOD_NAMES = ['chill', 'gentle', 'uplifting', 'playful', 'epic'] as const
export type Mood = (typeof MOOD_NAMES)[number]

/** Musical meaning of a mood. */
export interface MoodSpec {
  /** Beats a minute. A slot of a 1s Movie is two beats: 96 to 120 bpm make 1.25 to 1.0 s. */
  bpm: number
  /** MIDI note of the tonic. */
  root: number
  mode: 'major' | 'minor'
  /** Degrees of the scale, one a bar; 0 is the tonic. */
  progression: readonly number[]
  drums: 'none' | 'brushed' | 'four' | 'toms'
}

/** Tempi divide 30 frames a second evenly (frames a beat = 1800 / bpm), so that every cut falls exactly on a beat. */
export const MOODS: Record<Mood, MoodSpec> = {
  chill: { bpm: 100, root: 57, mode: 'minor', progression: [0, 5, 2, 6], drums: 'brushed' },
  gentle: { bpm: 100, root: 60, mode: 'major', progression: [0, 4, 5, 3], drums: 'none' },
  uplifting: { bpm: 120, root: 62, mode: 'major', progression: [0, 4, 5, 3], drums: 'four' },
  playful: { bpm: 120, root: 64, mode: 'major', progression: [0, 3, 4, 0], drums: 'four' },
  epic: { bpm: 100, root: 62, mode: 'minor', progression: [0, 5, 2, 6], drums: 'toms' },
}

/** Whether a word is a mood. */
export function isMood(word: string): word is Mood {
  return (MOOD_NAMES as readonly string[]).includes(word)
}
