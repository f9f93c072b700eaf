/** What the service and the film child say to each other. Plain data only: it crosses a process boundary. */
import type { Picture, Storyboard } from './storyboard.js'

/** Everything the child needs to make a film. */
export interface FilmJob {
  board: Storyboard
  /** Folder of the job; the child works in it and the parent removes it. */
  folder: string
  /** Local file of each picture, by `pictureKey`. */
  sources: Record<string, string>
  /** Segments that are there already: hash to file. */
  segments: Record<string, string>
}

/** Key of a picture in `FilmJob.sources`. */
export const pictureKey = (picture: { mediaId: string; rendition: string }): string =>
  `${picture.mediaId}/${picture.rendition}`

/** Every picture that a film is made from, once; the stills that stand in for clips included. */
export function picturesOf(board: Storyboard): Picture[] {
  const all = board.slots.flatMap(slot => (slot.still ? [slot.picture, slot.still] : [slot.picture]))
  return [...new Map(all.map(picture => [pictureKey(picture), picture])).values()]
}

/** What the child says. */
export type ChildMessage =
  /** 0..1 of the whole job. */
  | { type: 'progress'; share: number }
  /** A segment that shows what its hash promises is complete on disk. */
  | { type: 'segment'; hash: string; file: string }
  | {
      type: 'done'
      movie: string
      poster: string
      rendered: number
      reused: number
      lufs: number
      truePeakDb: number
      cpuS: number
      peakRssMiB: number
    }
  | { type: 'failed'; message: string }
