import type { Framing } from './framing.js'
import type { Mood } from './moods.js'
import type { FilmLocale } from './words.js'

/** Frames a second of every film. */
export const FPS = 30

/** Shapes of film that can be asked for. */
export const ASPECTS = ['16:9', '9:16', '1:1'] as const
export type Aspect = (typeof ASPECTS)[number]

/** Pixels of a film; both even. */
export interface FilmSize {
  width: number
  height: number
}

/** Pixels of each shape. */
export const SIZES: Record<Aspect, FilmSize> = {
  '16:9': { width: 1280, height: 720 },
  '9:16': { width: 720, height: 1280 },
  '1:1': { width: 720, height: 720 },
}

/** One line of text on a card or a stamp. */
export interface TextLine {
  text: string
  /** Height of a capital relative to the film's shorter side times 1.4, that is the font size as a share of the shorter side. */
  size: number
}

/** Text laid over a slot: `card` is centred, `stamp` stands at the lower left. */
export interface TextLayer {
  place: 'card' | 'stamp'
  lines: TextLine[]
}

/** The bytes a slot draws: which item, which of its renditions, and a tag that changes whenever those bytes change. */
export interface Picture {
  mediaId: string
  rendition: 'preview' | 'playback'
  tag: string
  width: number
  height: number
}

/** One stretch of the film: an item or a card. */
export interface Slot {
  kind: 'title' | 'month' | 'item' | 'end'
  /** First frame in the film. */
  startFrame: number
  /** Frames until the next slot begins. */
  frames: number
  /** Frames that go on under the next slot's fade. */
  tailFrames: number
  /** The item shown; absent on cards, which only borrow a picture for their background. */
  mediaId?: string
  picture: Picture
  /** Seconds into the video, or into the clip of a live photo. */
  inS?: number
  /** Only live photos whose clip is shown: the still that stands in where the clip cannot be read. */
  still?: Picture
  framing: Framing
  /** How it begins. A fade mixes with the slot before for `frames` frames. */
  transition: { kind: 'cut' | 'fade'; frames: number }
  text?: TextLayer
  /** Frames of fading to black at the end of the film. */
  fadeOutFrames: number
  /** Why the item was chosen, for "why am I seeing this". */
  reason: string
  /** Day shown by this slot, ISO, for chapters. */
  label: string
  /** Every item that can be seen in this slot's frames: its own and the one it fades from. */
  shows: string[]
  /** SHA-256 of everything that decides this slot's pixels; the key of its encoded segment. */
  hash: string
}

/** The ordered plan of a film. Rendering it twice gives the same film. */
export interface Storyboard {
  width: number
  height: number
  frames: number
  title: string
  locale: FilmLocale
  mood: Mood
  bpm: number
  /** Seeds the composer. */
  seed: number
  music: boolean
  slots: Slot[]
  altText: string
  /** The frame that makes the poster: the middle of the best-rated item. */
  posterFrame: number
}

/** Length of the film in seconds. */
export function durationS(board: Storyboard): number {
  return board.frames / FPS
}
