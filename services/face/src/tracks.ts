import { cosine, meanEmbedding } from './embedding.js'
import type { FoundFace } from './find-faces.js'
import { intersectionOverUnion } from './geometry.js'

export interface TimeRange {
  start: number
  end: number
}

/** One face followed through a video. */
export interface Track {
  /** The sighting of the best quality, and its moment in seconds. */
  best: FoundFace
  at: number
  /** What `portraitOf` made of the best sighting. */
  portrait: Uint8Array
  /** Where it is seen, in order, not touching. */
  ranges: TimeRange[]
  /** Mean of the best sightings' embeddings, weighted by quality; length 1. */
  embedding: Float32Array
  /** Years; weighted mean of the best sightings. */
  age: number
}

/** A face this like a track's mean joins it, however long ago the track was last seen (1 % false accepts of children: 0.94). */
const SAME_PERSON = 0.94
/** At the same place a moment later less will do: pose and blur change faster than people. */
const SAME_PLACE = 0.85
const SAME_PLACE_OVERLAP = 0.2
/** A face may be missing in one frame and still be at the same place in the next. */
const SAME_PLACE_FRAMES = 2
/** Sightings that make the embedding. */
const BEST_SIGHTINGS = 5
/** A track seen once must be at least this good: what flashes up in one frame only is mostly no face. */
const SINGLE_QUALITY = 0.15

interface Sighting {
  /** Place of its frame among those that were looked at. */
  frame: number
  face: FoundFace
}

interface OpenTrack {
  sightings: Sighting[]
  mean: Float32Array
  best: Sighting
  portrait: Uint8Array
}

/**
 * Joins the faces of sampled frames into tracks: frame by frame, in order of time, the likeliest pairs of track and face first, each at most once.
 * Of each track it keeps one portrait, so that memory does not grow with the video's length.
 */
export class FaceFollower {
  private readonly open: OpenTrack[] = []
  /** Seconds of the frames so far. */
  private readonly times: number[] = []

  /** `duration` is the video's length in seconds. */
  constructor(private readonly duration: number) {}

  /** Takes in the faces of the next frame, which may be none; `portraitOf` is called for a face that is the best of its track so far. */
  add(time: number, faces: readonly FoundFace[], portraitOf: (face: FoundFace) => Uint8Array): void {
    const frame = this.times.push(time) - 1
    const pairs = faces
      .flatMap(face => this.open.map(track => ({ face, track, score: likeness(track, face, frame) })))
      .filter(pair => pair.score > 0)
      .sort((a, b) => b.score - a.score)
    const joined = new Set<FoundFace | OpenTrack>()
    for (const { face, track } of pairs) {
      if (joined.has(face) || joined.has(track)) continue
      joined.add(face).add(track)
      const sighting = { frame, face }
      track.sightings.push(sighting)
      track.mean = embeddingOf(track.sightings)
      if (face.quality > track.best.face.quality) {
        track.best = sighting
        track.portrait = portraitOf(face)
      }
    }
    for (const face of faces) {
      const sighting = { frame, face }
      if (!joined.has(face))
        this.open.push({ sightings: [sighting], mean: face.embedding, best: sighting, portrait: portraitOf(face) })
    }
  }

  /** The tracks, longest on screen first. */
  finish(): Track[] {
    return this.open
      .filter(({ sightings, best }) => sightings.length > 1 || best.face.quality >= SINGLE_QUALITY)
      .map(({ sightings, best, portrait }) => ({
        best: best.face,
        at: this.times[best.frame] as number,
        portrait,
        ranges: rangesOf(
          sightings.map(sighting => sighting.frame),
          this.times,
          this.duration,
        ),
        embedding: embeddingOf(sightings),
        age: ageOf(sightings),
      }))
      .sort((a, b) => lengthOf(b) - lengthOf(a) || a.at - b.at || a.best.box.x0 - b.best.box.x0)
  }
}

/** How well a face continues a track: 0 where it does not. */
function likeness(track: OpenTrack, face: FoundFace, frame: number): number {
  const alike = cosine(track.mean, face.embedding)
  const last = track.sightings.at(-1) as Sighting
  const overlap = frame - last.frame <= SAME_PLACE_FRAMES ? intersectionOverUnion(last.face.box, face.box) : 0
  const isSame = alike >= SAME_PERSON || (alike >= SAME_PLACE && overlap >= SAME_PLACE_OVERLAP)
  return isSame ? alike + overlap / 10 : 0
}

const bestOf = (sightings: readonly Sighting[]): Sighting[] =>
  [...sightings].sort((a, b) => b.face.quality - a.face.quality || a.frame - b.frame).slice(0, BEST_SIGHTINGS)

function embeddingOf(sightings: readonly Sighting[]): Float32Array {
  const faces = bestOf(sightings).map(sighting => sighting.face)
  return meanEmbedding(
    faces.map(face => face.embedding),
    faces.map(face => face.quality + 0.01),
  )
}

function ageOf(sightings: readonly Sighting[]): number {
  const faces = bestOf(sightings).map(sighting => sighting.face)
  const weight = faces.reduce((sum, face) => sum + face.quality + 0.01, 0)
  return faces.reduce((sum, face) => sum + face.age * (face.quality + 0.01), 0) / weight
}

/**
 * Where a face is on screen that was seen in some of the frames: a sighting stands for half the way to the frames before and after it, one missed frame
 * does not end a range. `seen` are places in `times` (ascending, seconds).
 */
export function rangesOf(seen: readonly number[], times: readonly number[], duration: number): TimeRange[] {
  const end = Math.max(duration, times.at(-1) ?? 0)
  const ranges: TimeRange[] = []
  let before: number | undefined
  for (const frame of seen) {
    const until = frame + 1 < times.length ? middle(times, frame, frame + 1) : end
    const last = ranges.at(-1)
    if (last && before !== undefined && frame - before <= SAME_PLACE_FRAMES) last.end = until
    else ranges.push({ start: frame > 0 ? middle(times, frame - 1, frame) : 0, end: until })
    before = frame
  }
  return ranges
}

const middle = (times: readonly number[], a: number, b: number): number =>
  ((times[a] as number) + (times[b] as number)) / 2

const lengthOf = (track: Track): number => track.ranges.reduce((sum, range) => sum + range.end - range.start, 0)
