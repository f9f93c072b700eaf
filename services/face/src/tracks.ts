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
/** How many sampling steps a face may be missing and still be at the same place. */
const SAME_PLACE_STEPS = 2.5
/** Sightings that make the embedding. */
const BEST_SIGHTINGS = 5
/** A track seen once must be at least this good: what flashes up in one frame only is mostly no face. */
const SINGLE_QUALITY = 0.15

interface Sighting {
  time: number
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

  /** `step` is the distance of the samples, `duration` the video's length, both in seconds. */
  constructor(
    private readonly step: number,
    private readonly duration: number,
  ) {}

  /** Takes in the faces of the next frame; `portraitOf` is called for a face that is the best of its track so far. */
  add(time: number, faces: readonly FoundFace[], portraitOf: (face: FoundFace) => Uint8Array): void {
    const pairs = faces
      .flatMap(face => this.open.map(track => ({ face, track, score: likeness(track, face, time, this.step) })))
      .filter(pair => pair.score > 0)
      .sort((a, b) => b.score - a.score)
    const joined = new Set<FoundFace | OpenTrack>()
    for (const { face, track } of pairs) {
      if (joined.has(face) || joined.has(track)) continue
      joined.add(face).add(track)
      const sighting = { time, face }
      track.sightings.push(sighting)
      track.mean = embeddingOf(track.sightings)
      if (face.quality > track.best.face.quality) {
        track.best = sighting
        track.portrait = portraitOf(face)
      }
    }
    for (const face of faces) {
      const sighting = { time, face }
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
        at: best.time,
        portrait,
        ranges: rangesOf(
          sightings.map(sighting => sighting.time),
          this.step,
          this.duration,
        ),
        embedding: embeddingOf(sightings),
        age: ageOf(sightings),
      }))
      .sort((a, b) => lengthOf(b) - lengthOf(a) || a.at - b.at || a.best.box.x0 - b.best.box.x0)
  }
}

/** How well a face continues a track: 0 where it does not. */
function likeness(track: OpenTrack, face: FoundFace, time: number, step: number): number {
  const alike = cosine(track.mean, face.embedding)
  const last = track.sightings.at(-1) as Sighting
  const overlap = time - last.time <= SAME_PLACE_STEPS * step ? intersectionOverUnion(last.face.box, face.box) : 0
  const isSame = alike >= SAME_PERSON || (alike >= SAME_PLACE && overlap >= SAME_PLACE_OVERLAP)
  return isSame ? alike + overlap / 10 : 0
}

const bestOf = (sightings: readonly Sighting[]): Sighting[] =>
  [...sightings].sort((a, b) => b.face.quality - a.face.quality || a.time - b.time).slice(0, BEST_SIGHTINGS)

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

/** Each sighting stands for half a step before and after; what touches is one range. */
export function rangesOf(times: readonly number[], step: number, duration: number): TimeRange[] {
  const ranges: TimeRange[] = []
  for (const time of times) {
    const start = Math.max(0, time - step / 2)
    const end = Math.min(Math.max(duration, time), time + step / 2)
    const last = ranges.at(-1)
    // One missed sample does not end a range.
    if (last && start - last.end <= step) last.end = end
    else ranges.push({ start, end })
  }
  return ranges
}

const lengthOf = (track: Track): number => track.ranges.reduce((sum, range) => sum + range.end - range.start, 0)
